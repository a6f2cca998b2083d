"""The embedded servers by themselves: real processes in a var folder of their own, each test."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL
from tempfile import TemporaryDirectory

import psutil
import psycopg
import pytest
import redis

from thunderline import embedded
from thunderline.embedded import attach
from thunderline.embedded.places import SOURCE, EmbeddedError, Places
from thunderline.embedded.postgres import Postgres
from thunderline.embedded.server import Server


@pytest.fixture(scope="module")
def made() -> Iterator[Places]:
    """An installation whose data folder is ready, stopped, where root's servers can reach it."""
    with TemporaryDirectory(prefix="thunderline-test-") as var:
        Path(var).chmod(0o711)
        places = Places.of(Path(var)).make()
        Postgres(places).prepare()
        yield places
        shutil.rmtree(places.runtime)


@pytest.fixture
def places(made: Places) -> Iterator[Places]:
    yield made
    for server in both(made):
        server.stop()


def both(places: Places) -> list[Server]:
    return attach.needed(places, database=True, redis=True)


def test_a_command_finds_both_servers_and_leaves_none(places: Places) -> None:
    with attach.attached(places, both(places)):
        with psycopg.connect(embedded.database_url(places.var)) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            row = connection.execute("SELECT '[1,2]'::vector <-> '[1,3]', current_setting('fsync')").fetchone()
            assert row == (1.0, "on")
        assert redis.Redis.from_url(embedded.redis_url(places.var)).ping()
    assert [server.process() for server in both(places)] == [None, None]


def test_no_server_is_started_when_none_is_needed(tmp_path: Path) -> None:
    with attach.attached(Places.of(tmp_path / "var"), []):
        assert not (tmp_path / "var").exists()


def test_the_last_command_out_stops_the_servers(places: Places) -> None:
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with attach.attached(places, both(places)):
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(60)
    with attach.attached(places, both(places)):
        before = Postgres(places).process()
        leave.set()
        thread.join()
        assert Postgres(places).process() == before
        assert Postgres(places).ready()
    assert Postgres(places).process() is None


def test_commands_that_start_at_once_share_one_server(places: Places) -> None:
    found: set[int] = set()
    together = threading.Barrier(4)

    def command() -> None:
        with attach.attached(places, [Postgres(places)]):
            process = Postgres(places).process()
            assert process
            found.add(process.pid)
            together.wait(60)

    threads = [threading.Thread(target=command) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1


def test_a_command_survives_the_servers_of_one_that_was_killed(places: Places) -> None:
    script = (
        "import sys; from pathlib import Path; from thunderline.embedded import attach, places\n"
        "p = places.Places.of(Path(sys.argv[1]))\n"
        "with attach.attached(p, attach.needed(p, database=True, redis=True)):\n"
        "    print('in', flush=True); input()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script, places.var], cwd=SOURCE, stdin=pipe, stdout=pipe) as killed:
        assert killed.stdout
        assert killed.stdout.readline() == b"in\n"
        killed.kill()
    left = Postgres(places).process()
    assert left
    with attach.attached(places, both(places)):
        assert Postgres(places).process() == left
    assert Postgres(places).process() is None


def test_what_was_committed_is_there_after_a_kill(places: Places) -> None:
    server = Postgres(places)
    with attach.attached(places, [server]):
        with psycopg.connect(embedded.database_url(places.var), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            process = server.process()
            assert process
            process.send_signal(SIGKILL)
        server.prepare()
        server.start()
        assert server.process() != process
        with psycopg.connect(embedded.database_url(places.var)) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_stale_pid_of_an_unrelated_process_is_no_hindrance(places: Places) -> None:
    """The pid files name a live process of the servers' user that is no server: it lives, and they start."""
    uid, gid = places.server_user()
    user = {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **user) as sleeper:  # type: ignore[call-overload]
        (places.postgres / "postmaster.pid").write_text(
            f"{sleeper.pid}\n{places.postgres.resolve()}\n1\n5432\n{places.sockets}\n\n\nready\n"
        )
        (places.sockets / ".s.PGSQL.5432.lock").write_text(f"{sleeper.pid}\n")
        (places.sockets / "redis.pid").write_text(str(sleeper.pid))
        assert [server.process() for server in both(places)] == [None, None]
        with attach.attached(places, both(places)):
            assert all(server.ready() for server in both(places))
        assert sleeper.poll() is None
        sleeper.kill()


def test_an_orphan_is_stopped_before_a_new_start(places: Places) -> None:
    for server in both(places):
        server.start()
        orphan = server.process()
        assert orphan
        server.prepare()
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
        assert server.process() is None


def test_only_the_servers_user_can_connect(places: Places) -> None:
    assert places.sockets.stat().st_mode & 0o777 == 0o700
    assert places.sockets.stat().st_uid == places.server_user()[0]


def test_a_system_keeps_commands_from_starting_servers_and_waits_for_them(places: Places) -> None:
    with attach.attached(places, both(places)):
        claimed: list[int] = []
        thread = threading.Thread(target=lambda: claimed.append(attach.claim(places, "http://x/").fd))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert attach.running_address(places) == "http://x/"
    thread.join()
    try:
        with pytest.raises(EmbeddedError, match=r"runs already at http://x/.*manage.py down"):
            attach.claim(places, "http://y/")
    finally:
        os.close(claimed[0])
    assert attach.running_address(places) is None


def test_a_server_that_cannot_start_says_why(places: Places) -> None:
    conf = places.postgres / "postgresql.conf"
    before = conf.read_text()
    conf.write_text(f"{before}\nno_such_setting = 1\n")
    try:
        with pytest.raises(EmbeddedError, match=r"postgres did not start: .*configuration file"):
            Postgres(places).start()
    finally:
        conf.write_text(before)


def test_data_of_another_version_is_refused(places: Places) -> None:
    path = places.postgres / "PG_VERSION"
    before = path.read_text()
    path.write_text("9\n")
    try:
        with pytest.raises(EmbeddedError, match="was made by PostgreSQL 9"):
            Postgres(places).prepare()
    finally:
        path.write_text(before)


def test_an_operators_own_settings_win(places: Places) -> None:
    conf = places.postgres / "postgresql.conf"
    before = conf.read_text()
    conf.write_text(f"{before}\nwork_mem = '7MB'\n")
    with attach.attached(places, [Postgres(places)]), psycopg.connect(embedded.database_url(places.var)) as c:
        shown = c.execute("SELECT current_setting('work_mem'), current_setting('max_connections')").fetchone()
    conf.write_text(before)
    assert shown == ("7MB", "200")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody who may not enter")
def test_a_var_that_the_servers_cannot_enter_keeps_its_data_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    places = Places.of(tmp_path / "closed" / "var")
    with attach.attached(places, both(places)):
        assert places.postgres.is_symlink()
    data = places.postgres.resolve()
    shutil.rmtree(data)
    with pytest.raises(EmbeddedError, match="bring it back"):
        Postgres(places).prepare()
    shutil.rmtree(places.runtime)


def test_run_gives_a_command_servers_that_leave_no_trace() -> None:
    command = "echo $THUNDERLINE_VAR_DIR $DATABASE_URL; exit 7"
    environ = {**os.environ, "DATABASE_URL": "postgresql://somewhere/else"}
    done = subprocess.run(
        [sys.executable, "-m", "thunderline.embedded", "run", "--fast", "--", "sh", "-c", command],
        cwd=SOURCE, env=environ, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 7, done.stderr
    places = Places.of(Path(done.stdout.strip()))
    assert not places.var.exists()
    assert not places.runtime.exists()
