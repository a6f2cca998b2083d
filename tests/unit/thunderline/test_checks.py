import shutil
import socket
from pathlib import Path

import pytest

from thunderline.config import Config
from thunderline.embedded.places import EmbeddedError, Places
from thunderline.supervision import checks


def test_a_port_in_use_is_told_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert checks.listens("127.0.0.1", port)
        with pytest.raises(EmbeddedError, match=f"Port {port} .*THUNDERLINE_PORT"):
            checks.check_port("127.0.0.1", port)
    checks.check_port("127.0.0.1", port)
    assert not checks.listens("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(EmbeddedError, match="THUNDERLINE_BIND"):
        checks.check_port("192.0.2.1", 8000)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "FREE_MB", shutil.disk_usage(tmp_path).free)
    with pytest.raises(EmbeddedError, match=r"disk of .* is full"):
        checks.check_disk(Places.of(tmp_path))


def test_named_servers_that_do_not_answer_are_told_without_their_passwords() -> None:
    with pytest.raises(EmbeddedError, match="DATABASE_URL: ") as refused:
        checks.check_servers(Config(database_url="postgresql://me:hidden@127.0.0.1:1/name"))
    assert "hidden" not in str(refused.value)
    with pytest.raises(EmbeddedError, match="REDIS_URL: "):
        checks.check_servers(Config(redis_url="redis://127.0.0.1:1/0"))
