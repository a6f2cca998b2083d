"""The first thing each supervised program runs: `python -m thunderline.supervision.child SIGNAL COMMAND…`.

It makes the program end when its supervisor is killed, so that the next supervisor finds the ground clear,
then becomes the program. It imports little, because it runs at every start of every process."""

from __future__ import annotations

import os
import signal
import sys

from thunderline.embedded.places import SOURCE
from thunderline.embedded.processes import die_with_parent, fresh_start


def main(argv: list[str]) -> None:
    fresh_start()
    die_with_parent(signal.Signals[f"SIG{argv[0]}"])
    os.chdir(SOURCE)
    os.execvp(argv[1], argv[1:])  # noqa: S606 - a command of ours, without a shell on purpose


if __name__ == "__main__":
    main(sys.argv[1:])
