#!/usr/bin/env python
"""Thunderline's command line: `manage.py up` runs everything, `manage.py help` lists the rest."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT), str(ROOT / "mcp")]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thunderline.settings")
    from thunderline.command_line import run

    run(sys.argv)


if __name__ == "__main__":
    main()
