"""Tools that agents use in their ticks: notices, memories, and those of others that go wrong."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from agents.models import Agent
from agents.tools import Nothing
from domains import sql, tools
from domains.tools import Caller, ToolError
from memory.models import MemoryNode
from tests.integration.agents.living import check_counts, events, live, logs, make_world, people, person
from zones import queries as zones
from zones.models import Notice

pytestmark = pytest.mark.django_db


def keen(*access: str) -> list[dict[str, Any]]:
    """A mod that opens tools and makes its bearer use one each tick."""
    return [
        {
            "name": "tools",
            "kind": "tool",
            "effects": {"tool_access": list(access), "action_weights": {"use_tool": 90.0}},
        }
    ]


@pytest.fixture
def tool() -> Iterator[Callable[[Any], None]]:
    """Declares the tool `odd`, which needs the capability `odd`."""

    class Output(BaseModel):
        pass

    def declare(handler: Any) -> None:
        tools.register(tools.Tool("odd", "Who knows.", Nothing, Output, "odd", handler))

    yield declare
    tools._tools.pop("odd", None)


def test_notices_are_written_read_and_remembered() -> None:
    world, (zone,) = make_world()
    writer = person(zone, "Writer", mods=keen("write_notices"))
    reader = person(zone, "Reader", mods=keen("read_notices"))
    live(world)
    (wrote,), (read,) = logs(writer), logs(reader)
    assert wrote.decision["arguments"]["tool"] == "write_notice"
    (notice,) = zones.notices(zone.pk)
    assert (notice.author, notice.world_tick) == ("Writer", 1)
    assert notice.text in wrote.narrative
    assert notice.text in read.narrative
    told = events(zone.pk, "notice_written")
    assert [(e.payload["author"], e.payload["text"], e.actor) for e in told] == [
        ("Writer", notice.text, "agent:Writer")
    ]
    content = MemoryNode.objects.get(agent=reader).content
    assert content == f"Read a notice in Zone 0: {notice.text} (Writer)"
    assert wrote.error is read.error is None


def test_a_bare_wall() -> None:
    world, (zone,) = make_world()
    reader = person(zone, "Reader", mods=keen("read_notices"))
    live(world)
    assert logs(reader)[0].narrative.startswith("Reader looked for notices in Zone 0; the wall was bare.")


def test_no_more_than_twenty_notices_hang() -> None:
    world, (zone,) = make_world()
    people(zone, 7, mods=keen("write_notices"), stats={"energy": 100})
    live(world, 5)
    assert len(events(zone.pk, "notice_written")) == 35
    kept = Notice.objects.filter(zone=zone).order_by("inserted_at")
    assert [n.text for n in kept] == [e.payload["text"] for e in events(zone.pk, "notice_written")][-20:]
    assert [n.text for n in zones.notices(zone.pk)] == [n.text for n in kept][::-1][:5]


def test_thinking_back_finds_what_was_and_forms_nothing_new() -> None:
    world, (zone,) = make_world()
    mara = person(zone, mods=keen("use_tools"))
    MemoryNode.objects.all().delete()
    live(world, 30)
    used = {log.decision["arguments"]["tool"] for log in logs(mara)}
    assert used == {"look_around", "recall_memory"}
    recalled = [log for log in logs(mara) if log.decision["arguments"]["tool"] == "recall_memory"]
    assert all("Mara thought back" in log.narrative for log in recalled)
    assert not MemoryNode.objects.filter(agent=mara, content__contains="thought back").exists()
    quiet = [log for log in recalled if not log.memories]
    assert quiet


def test_a_recalled_memory_is_in_the_story() -> None:
    from memory import actions as memory

    world, (zone,) = make_world()
    mara = person(zone, mods=keen("use_tools"))
    memory.store(memory.NewMemory(mara.pk, "Found a bench with a view in Zone 0."))
    live(world, 12)
    recalled = [log for log in logs(mara) if log.decision["arguments"]["tool"] == "recall_memory"]
    assert recalled
    assert "a bench with a view" in recalled[0].narrative


def test_without_tools_none_is_used() -> None:
    world, (zone,) = make_world()
    mara = person(zone, mods=[{"name": "keen", "kind": "behavior", "effects": {"action_weights": {"use_tool": 90.0}}}])
    live(world, 5)
    assert "use_tool" not in {log.action for log in logs(mara)}


def refuses(*_: Any) -> Any:
    raise ToolError("too_late", "the shop is shut")


def breaks(*_: Any) -> Any:
    sql.execute("SELECT 1/0")


def writes_and_raises(_arguments: Any, caller: Caller) -> Any:
    Notice.objects.create(zone_id=caller.zone_id, author="x", text="half done", world_tick=1)
    raise RuntimeError("not my day")


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (refuses, "use_tool: ToolError: the shop is shut"),
        (breaks, "use_tool: DivisionByZero: division by zero"),
        (writes_and_raises, "use_tool: RuntimeError: not my day"),
    ],
)
def test_a_tool_that_fails_takes_back_its_own_alone(tool: Any, handler: Any, error: str) -> None:
    tool(handler)
    world, (zone,) = make_world()
    before = people(zone, 2)
    odd = person(zone, "Odd", mods=keen("odd"))
    after = people(zone, 2, first=10)
    live(world, 3)
    assert [log.error for log in logs(odd)] == [error] * 3
    assert all(log.decision["failed"] for log in logs(odd))
    for agent in before + after:
        assert [log.error for log in logs(agent)] == [None] * 3
    assert not Notice.objects.exists()
    assert not events(zone.pk, "tick_failed")
    check_counts(world)


def test_a_tool_that_returns_nonsense_was_used(tool: Any) -> None:
    """Its answer says nothing for a story, so the plain one is told."""
    tool(lambda *_: "nonsense")
    world, (zone,) = make_world()
    odd = person(zone, "Odd", mods=keen("odd"))
    live(world)
    assert logs(odd)[0].narrative.startswith("Odd used odd.")


def test_a_tool_that_is_gone(tool: Any) -> None:
    tool(refuses)
    world, (zone,) = make_world()
    odd = person(zone, "Odd", capabilities=["odd"], mods=keen("odd"))
    tools._tools.pop("odd")
    live(world)
    assert logs(odd)[0].action != "use_tool"
    assert Agent.objects.get(pk=odd.pk).tick_number == 1


def test_a_name_is_taken_once(tool: Any) -> None:
    tool(refuses)
    with pytest.raises(ValueError, match="a tool called 'odd' is registered already"):
        tool(breaks)
