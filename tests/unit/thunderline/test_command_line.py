import subprocess
import sys
from typing import Any

import pytest

from thunderline import command_line
from thunderline.command_line import needs_servers, run
from thunderline.config import BASE_DIR


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("manage.py", False),
        ("manage.py help", False),
        ("manage.py up", False),
        ("manage.py down", False),
        ("manage.py migrate", True),
        ("manage.py migrate --help", False),
        ("manage.py shell -c 1", True),
    ],
)
def test_which_commands_need_servers(line: str, needed: bool) -> None:
    assert needs_servers(line.split()) is needed


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"'a\\udcffb' is not UTF-8."):
        run(["manage.py", "help", "a\udcffb"])


def test_ctrl_c_ends_any_command_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "_execute", interrupted)
    with pytest.raises(SystemExit) as ended:
        run(["manage.py", "help"])
    assert ended.value.code == 130


def test_a_pipe_that_nobody_reads_any_more_ends_any_command_quietly() -> None:
    command = [sys.executable, BASE_DIR / "manage.py", "help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141
