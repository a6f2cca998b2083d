"""Every setting that comes from the environment, in one place.

Each is read from `THUNDERLINE_<NAME>`, but for the two addresses that other software calls `DATABASE_URL` and
`REDIS_URL`. A value that does not fit is refused at start with the variable's name (`ConfigError`).
`docs/settings.md` is made from this class; a test keeps the two alike.
"""

from __future__ import annotations

import os
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

BASE_DIR = Path(__file__).resolve().parent.parent


def split_words(value: object) -> object:
    """`"a, b"` as `["a", "b"]`."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _database(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/") or parts.port == 0):
        raise ValueError("must look like postgresql://user:password@host:5432/name")
    return url


def _redis(url: str) -> str:
    if url and urlsplit(url).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("must look like redis://host:6379/0 or unix:///path")
    return url


def _folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise ValueError("is a file and not a folder")
    return path


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError("is no time zone; they look like Europe/Paris") from error
    return name


def _hosts(names: list[str]) -> list[str]:
    if wrong := [name for name in names if "/" in name or " " in name]:
        raise ValueError(f"{wrong[0]!r} is no host name: leave out https:// and paths")
    return names


def _origins(origins: list[str]) -> list[str]:
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
            raise ValueError(f"{origin!r} does not look like https://example.org")
    return origins


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.netloc or parts.path:
        raise ValueError("must look like wss://example.org")
    return url


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("must look like https://api.example.org/v1")
    return url


def _email(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps", "smtp+tls") or not parts.hostname:
        raise ValueError("must look like smtp+tls://user:password@mail.example.org:587")
    return url


def _fallbacks(keys: list[str]) -> list[str]:
    if any(len(key) < 32 for key in keys):
        raise ValueError("each has 32 characters at least")
    return keys


def _key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("has characters that no key has")
    return key


def _dimensions(count: int | None, info: ValidationInfo) -> int | None:
    if count is not None and info.data.get("embedder") == "local" and count not in (64, 128, 256):
        raise ValueError("the local embedder has 64, 128 or 256")
    return count


def _networks(names: list[str]) -> list[str]:
    for name in names:
        try:
            ip_network(name)
        except ValueError as error:
            raise ValueError(f"{name!r} is no network; they look like 10.1.0.0/16") from error
    return names


def _modules(names: list[str]) -> list[str]:
    if wrong := [name for name in names if not all(part.isidentifier() for part in name.split("."))]:
        raise ValueError(f"{wrong[0]!r} is no module's name")
    return names


Words = Annotated[list[str], NoDecode, BeforeValidator(split_words)]
SECRET = frozenset(
    {
        "database_url", "redis_url", "secret_key", "secret_key_fallbacks", "jwt_key", "email_url", "metrics_token",
        "embedder_key",
    }
)  # fmt: skip
"""Settings whose values are never shown."""


class ConfigError(SystemExit):
    """A setting has a value that cannot be used; the message names the variable. Ends the process."""


class Config(BaseSettings):
    """What an operator can set. Durations end in their unit."""

    model_config = SettingsConfigDict(env_prefix="THUNDERLINE_", extra="ignore", frozen=True)

    database_url: Annotated[str, AfterValidator(_database)] | None = Field(
        None,
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
        description="PostgreSQL 16+ with pgvector to use instead of the embedded one: postgresql://user:password@host/name",
    )
    redis_url: Annotated[str, AfterValidator(_redis)] | None = Field(
        None,
        validation_alias=AliasChoices("REDIS_URL", "redis_url"),
        description="Redis to use instead of the embedded one: redis://host:6379/0 or unix:///path",
    )
    var_dir: Annotated[Path, AfterValidator(_folder)] = Field(
        BASE_DIR / "var", description="Where data, logs and run files live."
    )
    debug: bool = Field(False, description="Django's debug pages. Never on a machine that others reach.")
    secret_key: str | None = Field(
        None,
        min_length=32,
        description="Django's signing key. Made once and kept in the var folder if unset.",
    )
    secret_key_fallbacks: Annotated[Words, AfterValidator(_fallbacks)] = Field(
        [], description="Signing keys that it replaced, with commas, until `manage.py secrets rotate` has run."
    )
    jwt_key: str | None = Field(
        None, min_length=32, description="What JWTs are signed with. Follows from the signing key if unset."
    )
    bind: str = Field("127.0.0.1", min_length=1, description="Address the web server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the web server listens on.")
    address: Annotated[str, AfterValidator(_address)] | None = Field(
        None, description="Where clients reach this web process's sockets, if not at bind and port: wss://example.org"
    )
    allowed_hosts: Annotated[Words, AfterValidator(_hosts)] = Field(
        ["localhost", "127.0.0.1", "[::1]"], description="Host names that requests may ask for, with commas."
    )
    trusted_origins: Annotated[Words, AfterValidator(_origins)] = Field(
        [],
        description="Origins whose forms are accepted when behind a proxy, with commas: https://example.org",
    )
    proxies: int = Field(
        0, ge=0, le=10, description="Proxies of one's own in front, each of which adds to X-Forwarded-For."
    )
    https: bool = Field(False, description="Served over TLS (by a proxy): secure cookies, HSTS, redirects.")
    session_hours: float = Field(336, gt=0, le=8760, description="Hours after which browsers have to sign in again.")
    login_failures: int = Field(5, ge=1, le=1000, description="Failed logins from an address after which a name waits.")
    login_wait_s: int = Field(900, ge=1, le=86_400, description="Seconds that it waits then.")
    email_url: Annotated[str, AfterValidator(_email)] | None = Field(
        None, description="Where mail is sent, for forgotten passwords: smtp+tls://user:password@mail.example.org:587"
    )
    email_from: str = Field(
        "thunderline@localhost", min_length=3, max_length=200, description="Whom mail is said to be from."
    )
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field("UTC", description="Time zone of the pages.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")
    heartbeat_s: float = Field(1.0, ge=0.05, le=60, description="Seconds between two heartbeats.")
    workers: int = Field(
        default_factory=lambda: max(2, os.cpu_count() or 2),
        ge=1,
        le=256,
        description="Worker processes for ticks.",
    )
    reasoners: int = Field(1, ge=0, le=64, description="Processes that ask models what their agents do.")
    callers: int = Field(1, ge=0, le=64, description="Processes that call tools of outside MCP servers.")
    outside_networks: Annotated[Words, AfterValidator(_networks)] = Field(
        [],
        description="Networks besides public addresses in which outside MCP servers may be, with commas: 10.1.0.0/16.",
    )
    followers: int = Field(1, ge=0, le=64, description="Processes that let subscribers have their events.")
    dead_letters: int = Field(
        100, ge=0, le=1_000_000, description="Dead letters of one subscriber that may wait until operators are told."
    )
    event_leaf: int = Field(
        1_000_000,
        ge=10_000,
        le=1_000_000_000,
        description="Events in a partition of the log that is made from now on; retention lets whole ones go.",
    )
    disk_low_percent: float = Field(
        10, ge=0, le=90, description="Free part of the disk below which operators are told."
    )
    disk_low_mb: int = Field(
        2_000, ge=0, le=10_000_000, description="The same in megabytes; the percentage counts up to ten times as many."
    )
    disk_critical_percent: float = Field(5, ge=0, le=90, description="Free part of the disk below which worlds wait.")
    disk_critical_mb: int = Field(
        1_000, ge=0, le=10_000_000, description="The same in megabytes; the percentage counts up to ten times as many."
    )
    limits: bool = Field(
        True, description="Whether requests, and what sockets send, are limited. Off for benchmarks only."
    )
    limit_default: int = Field(100, ge=1, le=1_000_000, description="Requests a minute that one identity may make.")
    limit_heavy: int = Field(
        10, ge=1, le=1_000_000, description="The same for what takes a model or much of the database."
    )
    limit_refused: int = Field(
        30, ge=1, le=1_000_000, description="Credentials that are not good which one address may show a minute."
    )
    socket_rate: float = Field(50, ge=1, le=10_000, description="Messages a second that one socket may send.")
    socket_burst: int = Field(100, ge=1, le=100_000, description="Messages that it may send at once.")
    socket_agent_rate: int = Field(
        20, ge=1, le=10_000, description="Pushes a second that one agent's clients may make, all together."
    )
    socket_broadcast_rate: int = Field(5, ge=1, le=10_000, description="Broadcasts a second in one zone.")
    socket_connections: int = Field(
        100, ge=1, le=1_000_000, description="Sockets that one identity may have open in one web process."
    )
    socket_topics: int = Field(64, ge=1, le=10_000, description="Topics that one socket may join.")
    socket_message_kb: int = Field(64, ge=1, le=1000, description="Longest message of a client, in kilobytes.")
    socket_backlog_kb: int = Field(
        1000, ge=100, le=100_000, description="What may wait for a client that reads too slowly, in kilobytes."
    )
    chunk_size: int = Field(200, ge=1, le=1000, description="Most agents that one transaction ticks.")
    embedder: Literal["local", "openai"] = Field(
        "local", description="What makes vectors of memories: the model that comes along, or an endpoint like OpenAI's."
    )
    embedder_url: Annotated[str, AfterValidator(_endpoint)] = Field(
        "https://api.openai.com/v1", description="Where the endpoint is; /embeddings is put behind it."
    )
    embedder_key: Annotated[str, AfterValidator(_key)] | None = Field(None, description="The endpoint's key.")
    embedder_model: str = Field(
        "text-embedding-3-small", min_length=1, max_length=100, description="The endpoint's model."
    )
    embedder_dimensions: Annotated[int, Field(ge=8, le=3072), AfterValidator(_dimensions)] | None = Field(
        None,
        description="Of the vectors; 256 if unset, 512 of an endpoint. After a change of model or dimensions: "
        "`manage.py memory reembed`.",
    )
    memory_index_rows: int = Field(
        50_000,
        ge=1000,
        description="Memories of an embedder from which on there is an index for searches across agents.",
    )
    memory_index_read: int = Field(
        60_000,
        ge=1000,
        le=100_000_000,
        description="Memories that such a search compares: more find more, and take longer.",
    )
    memory_index_mb: int = Field(
        1024,
        ge=128,
        le=65_536,
        description="Memory that PostgreSQL may take to build it, in megabytes; bounds its lists.",
    )
    memory_budget: int = Field(
        10_000,
        ge=100,
        le=1_000_000,
        description="Memories that an agent may have; the faintest above it go. A thousand take 2 to 3 MB of disk.",
    )
    memory_floor: float = Field(
        0.05, ge=0, le=0.5, description="Salience (0 to 1) below which memories fade away; 0: none does."
    )
    memory_half_life_days: float = Field(
        30,
        ge=0.01,
        le=36_500,
        description="Days in which a memory that was stored once and never recalled loses half its salience.",
    )
    memory_summarise_after_days: float = Field(
        7, ge=0, le=36_500, description="Age in days at which episodes are summed up."
    )
    memory_upkeep_every_s: float = Field(
        3_600,
        ge=1,
        le=86_400,
        description="Seconds between two looks at an agent's old episodes, faded memories and budget.",
    )
    eager_domains: bool = Field(
        False, description="Domains become active at start instead of waiting for the first heartbeat."
    )
    demo: bool = Field(True, description="`make run` loads the demo world when there is no world.")
    metrics_token: str | None = Field(
        None, min_length=16, description="Bearer token that lets others than loopback read /metrics."
    )
    plugins: Annotated[Words, AfterValidator(_modules)] = Field(
        [], description="Modules to import for actions, mods, reasoners and tools of your own, with commas."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment only: no file is read."""
        return init_settings, env_settings


def variable(field: str) -> str:
    """Name of the environment variable that sets `field`."""
    return field.upper() if field in ("database_url", "redis_url") else f"THUNDERLINE_{field.upper()}"


def load() -> Config:
    """Read the environment. Raises: ConfigError."""
    try:
        return Config()
    except ValidationError as error:
        mistakes = [_mistake(str(e["loc"][0]).lower(), e["msg"], e["input"]) for e in error.errors()]
        raise ConfigError("Thunderline cannot start: " + "; ".join(mistakes)) from None


def _mistake(field: str, message: str, value: object) -> str:
    shown = "" if field in SECRET else f" (it is {value!r})"
    return f"{variable(field)}: {message.removeprefix('Value error, ')}{shown}"


_HEAD = """# Settings

Made from `thunderline/config.py` by `thunderline.config.document()`; a test keeps the two alike. Every setting is read
from the environment when a process starts. A value that does not fit ends the process with the variable's name.

| Variable | Default | What it is |
|---|---|---|
"""


def document() -> str:
    """What `docs/settings.md` holds: every variable, its default and what it is for."""
    fields = Config.model_fields.items()
    return _HEAD + "".join(
        f"| `{variable(name)}` | {_shown(field)} | {field.description} |\n" for name, field in fields
    )


def _shown(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "one a core, two at least"
    if isinstance(value, Path):
        return f"`{value.relative_to(BASE_DIR)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`{','.join(value)}`" if value else "none"
    return "none" if value is None else f"`{value}`"


class Mail(NamedTuple):
    """How mail is sent."""

    backend: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    tls: bool = False
    ssl: bool = False


def mail(url: str | None) -> Mail:
    """What an address of a mail server says; without one, mail goes nowhere."""
    if url is None:
        return Mail("django.core.mail.backends.dummy.EmailBackend")
    parts = urlsplit(url)
    tls, ssl = parts.scheme == "smtp+tls", parts.scheme == "smtps"
    return Mail(
        "django.core.mail.backends.smtp.EmailBackend",
        parts.hostname or "",
        parts.port or (465 if ssl else 587 if tls else 25),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        tls,
        ssl,
    )


@cache
def config() -> Config:
    """The settings of this process."""
    return load()
