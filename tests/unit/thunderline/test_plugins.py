import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from thunderline import plugins
from thunderline.config import ConfigError, config
from thunderline.config import variable as variable_of


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """Settings and plug-ins are read anew, before the test and after it."""
    config.cache_clear()
    plugins.modules.cache_clear()
    yield
    config.cache_clear()
    plugins.modules.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(folder: Path, module: str, *, group: str = plugins.GROUP) -> None:
    """What `pip install` leaves behind of a package that names a plug-in."""
    (folder / f"{module}.py").write_text("loaded = True\n")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\nany_name = {module}\n")


def test_without_plug_ins_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(variable_of("plugins"), raising=False)
    assert plugins.names() == []
    assert plugins.modules() == ()


def test_modules_that_an_operator_names_are_imported_in_that_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("named_b", "named_a"):
        (folder / f"{name}.py").write_text("loaded = True\n")
    monkeypatch.setenv("THUNDERLINE_PLUGINS", "named_b, named_a, named_b")
    assert [module.__name__ for module in plugins.modules()] == ["named_b", "named_a"]
    assert all(module.loaded for module in plugins.modules())


def test_installed_packages_come_first_and_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(folder, "installed_b")
    install(folder, "installed_a")
    install(folder, "for_others", group="somebody.else")
    monkeypatch.setenv("THUNDERLINE_PLUGINS", "installed_b")
    assert plugins.names() == ["installed_a", "installed_b"]
    assert [module.__name__ for module in plugins.modules()] == ["installed_a", "installed_b"]
    assert "for_others" not in sys.modules


def test_a_module_that_cannot_be_imported_ends_the_start_and_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "needs_more.py").write_text("import nobody_has_this\n")
    monkeypatch.setenv("THUNDERLINE_PLUGINS", "needs_more")
    with pytest.raises(ConfigError, match=r"THUNDERLINE_PLUGINS: cannot import 'needs_more': .*nobody_has_this"):
        plugins.modules()
