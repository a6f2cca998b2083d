import io
from configparser import RawConfigParser
from contextlib import closing
from pathlib import Path

import pytest

from thunderline.config import Config
from thunderline.embedded import attach
from thunderline.embedded.places import Places
from thunderline.supervision import configuration, programs, reload
from thunderline.supervision.system import System
from thunderline.supervision.terminal import Terminal


def stages(places: Places, **settings: object) -> list[programs.Stage]:
    servers = attach.needed(places, database=True, redis=True)
    config = Config(var_dir=places.var, **settings)  # type: ignore[arg-type]
    return [*programs.server_stages(servers), *programs.application_stages(config)]


def test_stages_start_in_the_order_that_their_reverse_stops_them_in(tmp_path: Path) -> None:
    names = [stage.name for stage in stages(Places.of(tmp_path))]
    assert names == ["postgres", "redis", "workers", "web", "beat"]


def test_only_the_servers_start_by_themselves(tmp_path: Path) -> None:
    assert [stage.name for stage in stages(Places.of(tmp_path)) if stage.autostart] == ["postgres", "redis"]


def test_named_servers_are_not_run_here(tmp_path: Path) -> None:
    config = Config(var_dir=tmp_path, database_url="postgresql://host/name", redis_url="redis://host/0")
    names = [stage.name for stage in System(config, io.StringIO()).stages]
    assert names == ["workers", "web", "beat"]


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/"),
        ("0.0.0.0", "http://127.0.0.1:8000/"),
        ("::", "http://[::1]:8000/"),
        ("example.org", "http://example.org:8000/"),
    ],
)
def test_the_address_that_is_shown_can_be_opened(tmp_path: Path, bind: str, address: str) -> None:
    assert System(Config(var_dir=tmp_path, bind=bind), io.StringIO()).address == address


def test_the_file_says_what_the_stages_say(tmp_path: Path) -> None:
    places = Places.of(tmp_path)
    parser = RawConfigParser()
    parser.read_string(configuration.render(places, stages(places, workers=7)))
    assert parser["program:postgres"]["stopsignal"] == "INT"
    assert parser["program:worker-1"]["stopsignal"] == "TERM"
    assert "-c 4" in parser["program:worker-1"]["command"]
    assert "-c 3" in parser["program:worker-2"]["command"]
    assert parser["group:workers"]["programs"] == "heartbeat,upkeep,worker-1,worker-2,reasoner-1,follow-1,outside-1"
    assert int(parser["group:beat"]["priority"]) > int(parser["group:web"]["priority"])


def test_one_worker_process_is_one_program(tmp_path: Path) -> None:
    parser = RawConfigParser()
    parser.read_string(configuration.render(Places.of(tmp_path), stages(Places.of(tmp_path), workers=1)))
    assert parser["group:workers"]["programs"] == "heartbeat,upkeep,worker-1,reasoner-1,follow-1,outside-1"


def test_percent_signs_and_spaces_in_paths_survive(tmp_path: Path) -> None:
    places = Places.of(tmp_path / "a %d b")
    text = configuration.render(places, stages(places))
    assert "a %%d b" in text
    assert f"'{places.var}'".replace("%", "%%") in text


@pytest.mark.parametrize(
    ("changed", "restarted"),
    [
        ({"/x/models.py", "/x/page.html"}, ["workers", "web", "beat"]),
        ({"/x/page.html"}, ["web"]),
        ({"/x/notes.txt"}, []),
    ],
)
def test_what_a_change_restarts(changed: set[str], restarted: list[str]) -> None:
    assert reload.stages(changed) == restarted


def terminal(log: Path) -> "closing[Terminal]":
    return closing(Terminal(io.StringIO(), log, ["web", "heartbeat"]))


def shown(terminal: Terminal) -> list[str]:
    terminal.show_logs()
    assert isinstance(terminal.out, io.StringIO)
    text = terminal.out.getvalue()
    terminal.out = io.StringIO()
    return text.splitlines()


def test_new_lines_carry_their_program_and_old_ones_stay_away(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("from the last start\n")
    with terminal(tmp_path) as screen:
        with (tmp_path / "web.log").open("a") as log:
            log.write("one\ntw")
        (tmp_path / "heartbeat.log").write_text("beat\n")
        assert shown(screen) == ["web       | one", "heartbeat | beat"]
        with (tmp_path / "web.log").open("a") as log:
            log.write("o\n")
        assert shown(screen) == ["web       | two"]


def test_nothing_is_lost_when_a_log_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_text("")
    with terminal(tmp_path) as screen:
        path.write_text("before\n")
        path.rename(tmp_path / "web.log.1")
        path.write_text("after\n")
        assert shown(screen) == ["web       | before", "web       | after"]


def test_a_terminal_that_went_away_stops_nothing(tmp_path: Path) -> None:
    with terminal(tmp_path) as screen:
        screen.out.close()
        screen.say("nobody hears this")
