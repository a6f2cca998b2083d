import stat
import subprocess
import sys
from pathlib import Path

from thunderline.secret import secret_key


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    var = tmp_path / "not" / "there" / "yet"
    key = secret_key(var)
    assert len(key) >= 50
    assert secret_key(var) == key
    assert [path.name for path in var.iterdir()] == ["secret_key"], "no draft is left behind"


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    secret_key(tmp_path)
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_two_installations_have_two_keys(tmp_path: Path) -> None:
    assert secret_key(tmp_path / "a") != secret_key(tmp_path / "b")


def test_a_key_that_is_there_is_taken(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("mine")
    assert secret_key(tmp_path) == "mine"


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from thunderline.secret import secret_key;"
        "print('ready', flush=True); sys.stdin.readline(); print(secret_key(pathlib.Path(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate()[0] for process in processes}
    assert len(keys) == 1
    assert keys == {secret_key(tmp_path) + "\n"}
