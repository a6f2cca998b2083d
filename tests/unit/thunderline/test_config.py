import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thunderline import config
from thunderline.config import BASE_DIR, Config, ConfigError, load, split_words, variable

# One value at least for every setting that must not be used. A new setting without one fails the test below.
WRONG: dict[str, list[str]] = {
    "database_url": ["mysql://user:hunter2@host/name", "postgresql://host", "name", "postgresql://host:port/name"],
    "redis_url": ["http://:hunter2@localhost:6379", "localhost:6379"],
    "var_dir": [__file__],
    "debug": ["perhaps", ""],
    "secret_key": ["hunter2", ""],
    "bind": [""],
    "port": ["0", "65536", "http", "80.5", ""],
    "allowed_hosts": ["https://example.org", "example.org/path", "a b"],
    "trusted_origins": ["example.org", "ftp://example.org", "https://example.org/path", "https://"],
    "https": ["sometimes"],
    "secret_key_fallbacks": ["short", "k" * 32 + ",short"],
    "jwt_key": ["short"],
    "session_hours": ["0", "8761", "long"],
    "login_failures": ["0", "1001", "some"],
    "login_wait_s": ["0", "86401", "1.5"],
    "email_url": ["mail.example.org", "http://example.org", "smtp://"],
    "email_from": ["", "x" * 201],
    "time_zone": ["Mars/Olympus", "", "/etc/passwd"],
    "log_level": ["LOUD", "debug"],
    "heartbeat_s": ["0", "0.04", "61", "-1", "nan", "soon"],
    "workers": ["0", "257", "many"],
    "reasoners": ["-1", "65", "many"],
    "callers": ["-1", "65", "many"],
    "outside_networks": ["10.1.0.0/33", "tools.example.org", "10.1.0.0/16,10.1.2.3/16"],
    "followers": ["-1", "65", "many"],
    "dead_letters": ["-1", "many"],
    "event_leaf": ["9999", "many"],
    "disk_low_percent": ["-1", "91"],
    "disk_low_mb": ["-1", "2.5"],
    "disk_critical_percent": ["-1", "91"],
    "disk_critical_mb": ["-1", "much"],
    "address": ["example.org", "http://example.org", "wss://example.org/socket", "ws://"],
    "proxies": ["-1", "11", "nginx"],
    "limits": ["seldom"],
    "limit_default": ["0", "1000001", "many"],
    "limit_heavy": ["0", "1.5"],
    "limit_refused": ["0", "1.5"],
    "socket_rate": ["0", "10001", "many"],
    "socket_burst": ["0", "100001", "many"],
    "socket_agent_rate": ["0", "10001", "1.5"],
    "socket_broadcast_rate": ["0", "10001", "1.5"],
    "socket_connections": ["0", "1000001"],
    "socket_topics": ["0", "10001"],
    "socket_message_kb": ["0", "1001"],
    "socket_backlog_kb": ["99", "100001"],
    "chunk_size": ["0", "1001", "1.5"],
    "embedder": ["remote", ""],
    "embedder_url": ["api.example.org", "ftp://example.org", "https://", "https://example.org/v1?key=x"],
    "embedder_key": ["hunter2 hunter2", "hunter2é"],
    "embedder_model": ["", "m" * 101],
    "embedder_dimensions": ["7", "3073", "100", "many"],
    "memory_index_rows": ["999", "many"],
    "memory_index_read": ["999", "100000001", "1.5"],
    "memory_index_mb": ["127", "65537"],
    "memory_budget": ["99", "1000001", "many"],
    "memory_floor": ["-0.1", "0.6", "nan", "low"],
    "memory_half_life_days": ["0", "36501", "inf", "long"],
    "memory_summarise_after_days": ["-1", "36501", "nan", "old"],
    "memory_upkeep_every_s": ["0", "86401", "often"],
    "eager_domains": ["maybe"],
    "demo": ["2"],
    "metrics_token": ["hunter2"],
    "plugins": ["a-b", "package.", "package:thing"],
}
RIGHT: dict[str, tuple[str, object]] = {
    "database_url": ("postgresql://user@host:5432/name?sslmode=require", "postgresql://user@host:5432/name?sslmode=require"),
    "redis_url": ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
    "var_dir": ("/nowhere/yet", Path("/nowhere/yet")),
    "debug": ("true", True),
    "secret_key": ("k" * 32, "k" * 32),
    "bind": ("0.0.0.0", "0.0.0.0"),
    "port": ("65535", 65535),
    "allowed_hosts": (" a.org , .b.org,", ["a.org", ".b.org"]),
    "trusted_origins": ("https://a.org,http://b.org:8080", ["https://a.org", "http://b.org:8080"]),
    "https": ("1", True),
    "secret_key_fallbacks": (f"{'a' * 32}, {'b' * 32}", ["a" * 32, "b" * 32]),
    "jwt_key": ("j" * 32, "j" * 32),
    "session_hours": ("0.5", 0.5),
    "login_failures": ("3", 3),
    "login_wait_s": ("60", 60),
    "email_url": ("smtps://a:b@mail.example.org", "smtps://a:b@mail.example.org"),
    "email_from": ("us@example.org", "us@example.org"),
    "time_zone": ("Europe/Paris", "Europe/Paris"),
    "log_level": ("DEBUG", "DEBUG"),
    "heartbeat_s": ("0.05", 0.05),
    "workers": ("256", 256),
    "reasoners": ("0", 0),
    "callers": ("0", 0),
    "outside_networks": ("10.1.0.0/16, fd00::/8", ["10.1.0.0/16", "fd00::/8"]),
    "followers": ("0", 0),
    "dead_letters": ("5", 5),
    "event_leaf": ("10000", 10_000),
    "disk_low_percent": ("12.5", 12.5),
    "disk_low_mb": ("0", 0),
    "disk_critical_percent": ("0", 0.0),
    "disk_critical_mb": ("500", 500),
    "address": ("wss://example.org:8443", "wss://example.org:8443"),
    "proxies": ("1", 1),
    "limits": ("off", False),
    "limit_default": ("1000", 1000),
    "limit_heavy": ("1", 1),
    "limit_refused": ("1", 1),
    "socket_rate": ("2.5", 2.5),
    "socket_burst": ("10", 10),
    "socket_agent_rate": ("100", 100),
    "socket_broadcast_rate": ("1", 1),
    "socket_connections": ("1", 1),
    "socket_topics": ("1", 1),
    "socket_message_kb": ("1000", 1000),
    "socket_backlog_kb": ("100", 100),
    "chunk_size": ("1000", 1000),
    "embedder": ("openai", "openai"),
    "embedder_url": ("http://localhost:11434/v1", "http://localhost:11434/v1"),
    "embedder_key": ("sk-1", "sk-1"),
    "embedder_model": ("nomic-embed-text", "nomic-embed-text"),
    "embedder_dimensions": ("128", 128),
    "memory_index_rows": ("1000", 1000),
    "memory_index_read": ("50000", 50_000),
    "memory_index_mb": ("128", 128),
    "memory_budget": ("100", 100),
    "memory_floor": ("0", 0.0),
    "memory_half_life_days": ("0.01", 0.01),
    "memory_summarise_after_days": ("0", 0.0),
    "memory_upkeep_every_s": ("1", 1.0),
    "eager_domains": ("yes", True),
    "demo": ("false", False),
    "metrics_token": ("t" * 16, "t" * 16),
    "plugins": ("mine, mine.tools", ["mine", "mine.tools"]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Config.model_fields:
        monkeypatch.delenv(variable(field), raising=False)


def test_every_setting_is_tried() -> None:
    assert set(WRONG) == set(RIGHT) == set(Config.model_fields)


@pytest.mark.parametrize(
    ("field", "value"), [pair for field, values in WRONG.items() for pair in itertools.product([field], values)]
)
def test_a_wrong_value_is_refused_with_the_name_of_its_variable(
    field: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(field), value)
    with pytest.raises(ConfigError) as refusal:
        load()
    said = str(refusal.value)
    assert said.startswith(f"Thunderline cannot start: {variable(field)}: ")
    assert "\n" not in said
    assert "hunter2" not in said, "secrets are not shown"


@pytest.mark.parametrize("field", RIGHT)
def test_a_right_value_is_taken(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, expected = RIGHT[field]
    monkeypatch.setenv(variable(field), value)
    assert getattr(load(), field) == expected


def test_all_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THUNDERLINE_PORT", "0")
    monkeypatch.setenv("THUNDERLINE_WORKERS", "0")
    with pytest.raises(ConfigError, match=r"THUNDERLINE_PORT: .*; THUNDERLINE_WORKERS: "):
        load()


def test_a_wrong_value_ends_the_process_with_the_message_and_no_traceback() -> None:
    assert issubclass(ConfigError, SystemExit)


def test_nothing_need_be_set() -> None:
    defaults = load()
    assert (defaults.database_url, defaults.redis_url, defaults.secret_key) == (None, None, None)
    assert defaults.var_dir == BASE_DIR / "var"
    assert (defaults.bind, defaults.port, defaults.debug) == ("127.0.0.1", 8000, False)
    assert defaults.workers >= 2


def test_an_empty_address_means_the_embedded_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("REDIS_URL", "")
    assert not load().database_url
    assert not load().redis_url


def test_other_variables_are_nobody_s_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THUNDERLINE_SOMETHING_OF_A_PLUGIN", "1")
    monkeypatch.setenv("PORT", "1")
    assert load().port == 8000


def test_a_file_in_the_working_folder_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("THUNDERLINE_PORT=1234\n")
    monkeypatch.chdir(tmp_path)
    assert load().port == 8000


def test_the_settings_of_a_process_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().port = 1  # type: ignore[misc]
    assert config.config() is config.config()


@given(st.lists(st.text(st.characters(exclude_characters=",", exclude_categories=("Z", "C")), min_size=1)))
def test_words_come_back_as_they_were_joined(words: list[str]) -> None:
    assert split_words(" , ".join(words)) == words
    assert split_words(words) is words


def test_the_manual_lists_every_setting_as_it_is() -> None:
    """To mend it: `python -c 'from thunderline.config import *; print(document(), end="")' > docs/settings.md`."""
    assert (BASE_DIR / "docs" / "settings.md").read_text() == config.document()


def test_every_setting_is_described() -> None:
    lines = config.document().splitlines()
    for name, field in Config.model_fields.items():
        assert field.description, name
        assert sum(line.startswith(f"| `{variable(name)}` |") for line in lines) == 1
