import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from thunderline.embedded.places import EmbeddedError, Places, make_private, reachable


def test_a_private_folder_is_made_once(tmp_path: Path) -> None:
    for _ in range(2):
        make_private(tmp_path / "mine", os.geteuid(), -1, 0o700)
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o700


def test_a_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(EmbeddedError, match="not a private folder"):
        make_private(tmp_path / "open", os.geteuid(), -1, 0o700)


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(EmbeddedError, match="not a private folder"):
        make_private(tmp_path / "link", os.geteuid(), -1, 0o700)


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match="not a private folder"):
        make_private(tmp_path / "theirs", os.geteuid() + 1, -1, 0o700)


def test_a_var_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"Cannot use .*file"):
        Places.of(tmp_path / "file" / "var").make()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root serves as somebody else")
def test_reachable_looks_at_every_folder_on_the_way() -> None:
    with TemporaryDirectory() as outer:
        inner = Path(outer) / "inner"
        inner.mkdir(mode=0o711)
        nobody = Places.of(inner).server_user()[0]
        assert not reachable(inner, nobody)
        inner.parent.chmod(0o711)
        assert reachable(inner, nobody)
