"""`python -m tests.conformance`: serve, and run every scored server scenario of both versions of the protocol.

Needs servers of its own (`python -m thunderline.embedded run -- …`) and the suite from npm. Ends with 1 when a
scenario that a version requires did not pass, or was not run.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
VERSIONS = ("2026-07-28", "2025-11-25")
PATIENCE_S = 60.0
LONGEST_S = 300.0
"""Of one run of the suite, which takes ten seconds: a server that hangs must not hold up who waits for the end."""
SUITE = HERE / "node_modules/@modelcontextprotocol/conformance/dist/index.js"


def main() -> int:
    """Run it all. Returns what the process ends with."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thunderline.settings")
    _prepare()
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as url:
        failed = {version: _run(version, url) for version in VERSIONS}
    for version, scenarios in failed.items():
        sys.stdout.write(f"{version}: {', '.join(scenarios) or 'every scored scenario passed'}\n")
    return 1 if any(failed.values()) else 0


def _prepare() -> None:
    """Tables, active domains, and the account as which the suite acts."""
    import django
    from django.core.management import call_command

    django.setup()
    from django.contrib.auth import get_user_model

    from tests.conformance.server import USER
    from tests.factories import wake_domains

    call_command("migrate", verbosity=0)
    get_user_model().objects.get_or_create(username=USER, defaults={"is_superuser": True})
    wake_domains()


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["daphne", "-v", "1", "-b", "127.0.0.1", "-p", str(port), "tests.conformance.server:application"]
    environ = os.environ | {"THUNDERLINE_LIMITS": "false", "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=environ, stdout=log, stderr=log)
    try:
        _await(port, server, folder / "server.log")
        yield f"http://localhost:{port}/mcp"
    finally:
        server.kill()  # there is nothing that it could save
        server.wait(20)


def _await(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"the server did not start:\n{log.read_text(errors='replace')}")


def _run(version: str, url: str) -> list[str]:
    """What of one version's scored server scenarios did not pass, or was not run."""
    listed = _suite("list", "--requirements", version).stdout
    required = set(re.findall(r"^  - (\S+)$", listed.split("Client scenarios")[0], re.MULTILINE))
    done = _suite("server", "--url", url, "--requirements", version)
    sys.stdout.write(f"--- {version} ---\n{done.stdout}")
    sys.stderr.write(done.stderr)
    passed = set(re.findall(r"^✓ (\S+): [1-9]\d* passed, 0 failed", done.stdout, re.MULTILINE))
    missing = sorted(required - passed) if required else ["no scenario is required"]
    return missing or ([f"the suite ended with {done.returncode}"] if done.returncode else [])


def _suite(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run([_node(), str(SUITE), *words], capture_output=True, text=True, timeout=LONGEST_S)
    except subprocess.TimeoutExpired as error:
        said = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout
        raise SystemExit(f"the suite was not done after {LONGEST_S:.0f} s; it said:\n{said or ''}") from error


def _node() -> str:
    """One of the environment first, as the suite needs 22 or newer."""
    beside = Path(sys.executable).with_name("node")
    found = str(beside) if beside.exists() else shutil.which("node")
    if found is None or not SUITE.exists():
        raise SystemExit("the suite is not here: `make conformance` fetches it, and Node where there is none")
    return found


if __name__ == "__main__":
    sys.exit(main())
