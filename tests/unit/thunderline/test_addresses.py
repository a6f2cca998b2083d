from pathlib import Path

import pytest

from thunderline import embedded
from thunderline.embedded.places import Places


def test_addresses_follow_from_the_var_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "var")
    assert embedded.database_url(tmp_path / "var") == embedded.database_url(tmp_path / "link")
    assert embedded.database_url(tmp_path / "var") != embedded.database_url(tmp_path / "other")


def test_socket_names_fit_however_long_the_var_path_is() -> None:
    places = Places.of(Path("/" + "long/" * 200))
    assert max(len(str(path)) for path in (places.redis_socket, places.supervisor_socket)) < 90
    assert len(str(places.sockets / ".s.PGSQL.5432.lock")) < 90


@pytest.mark.parametrize(
    ("url", "celery"),
    [
        ("redis://:secret@host:6380/2", "redis://:secret@host:6380/2"),
        ("rediss://host/0", "rediss://host/0"),
        ("unix:///tmp/redis", "redis+socket:///tmp/redis"),
        ("unix:///tmp/redis?db=3", "redis+socket:///tmp/redis?virtual_host=3"),
    ],
)
def test_celery_url(url: str, celery: str) -> None:
    assert embedded.celery_url(url) == celery


def test_django_database_of_a_served_postgres() -> None:
    found = embedded.django_database("postgresql://me:p%40ss@db.example:6432/world?sslmode=require")
    assert (found["USER"], found["PASSWORD"], found["NAME"]) == ("me", "p@ss", "world")
    assert (found["HOST"], found["PORT"]) == ("db.example", "6432")
    assert found["OPTIONS"]["sslmode"] == "require"
    for limit in ("idle_in_transaction_session_timeout", "tcp_keepalives_idle"):
        assert limit in found["OPTIONS"]["options"]


def test_django_database_of_the_embedded_postgres(tmp_path: Path) -> None:
    found = embedded.django_database(embedded.database_url(tmp_path))
    assert found["HOST"] == str(Places.of(tmp_path).sockets)
    assert (found["USER"], found["NAME"], found["PORT"]) == ("thunderline", "thunderline", "5432")


@pytest.mark.parametrize("url", ["mysql://host/name", "postgresql://host", "nonsense"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL must look like"):
        embedded.django_database(url)
