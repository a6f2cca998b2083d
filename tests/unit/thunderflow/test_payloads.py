from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from domains.thunderflow import checks, payloads
from domains.thunderflow.patterns import BadPattern
from domains.thunderflow.payloads import (
    Payload,
    UnknownTopic,
    UnknownVersion,
    Upcasts,
    declared,
    payload_type,
    today,
    typed,
    up_to_date,
)


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """What a test declares is forgotten after it."""
    before = dict(payloads._declared)
    yield
    payloads._declared.clear()
    payloads._declared.update(before)


def subclasses(of: type[Payload]) -> Iterator[type[Payload]]:
    for cls in of.__subclasses__():
        yield cls
        yield from subclasses(cls)


def shipped() -> list[type[Payload]]:
    return [cls for cls in subclasses(Payload) if hasattr(cls, "topic") and not cls.__module__.startswith("tests.")]


def test_every_payload_class_is_declared_under_a_topic_of_its_own() -> None:
    """Two classes with one topic would hide one another."""
    topics = [cls.topic for cls in shipped()]
    assert len(topics) == len(set(topics)) > 10
    assert {cls.topic: cls for cls in shipped()}.items() <= declared().items()


def test_the_type_of_a_topic_is_the_class_that_was_declared_for_it() -> None:
    for cls in shipped():
        assert payload_type(cls.topic.replace("*", "x")) is cls


def test_a_topic_that_nobody_declared_has_no_type() -> None:
    assert payload_type("nobody.declared.this") is None


@pytest.mark.parametrize("cls", shipped(), ids=lambda cls: cls.__name__)
def test_every_payload_refuses_fields_that_it_does_not_know(cls: type[Payload]) -> None:
    with pytest.raises(ValidationError) as refusal:
        cls.model_validate({"nobody_knows_this": 1})
    assert ("nobody_knows_this",) in {error["loc"] for error in refusal.value.errors()}


@pytest.mark.parametrize("cls", shipped(), ids=lambda cls: cls.__name__)
def test_every_payload_says_what_it_tells(cls: type[Payload]) -> None:
    assert cls.__doc__ and cls.__doc__ != Payload.__doc__
    assert cls.version >= 1


def test_a_payload_cannot_be_changed_after_it_was_made() -> None:
    class Told(Payload):
        topic: ClassVar[str] = "test.told"
        what: str

    told = Told(what="a story")
    with pytest.raises(ValidationError, match="frozen"):
        told.what = "another"  # type: ignore[misc]


def test_a_topic_that_is_no_pattern_is_refused_where_it_is_declared() -> None:
    with pytest.raises(BadPattern, match="domain_"):

        class Told(Payload):
            topic: ClassVar[str] = "test.domain_*"


def test_a_class_without_a_topic_is_a_base_and_not_declared() -> None:
    class Base(Payload):
        what: str

    assert Base not in declared().values()


@dataclass
class Stored:
    topic: str
    event_version: int
    payload: dict[str, Any]

    def with_payload(self, payload: dict[str, Any], *, version: int) -> "Stored":
        return Stored(self.topic, version, payload)


def declare_moved() -> type[Payload]:
    """At version 3: it had one field `place`, then `x` and `y`, then a reason too."""

    class Moved(Payload):
        topic: ClassVar[str] = "upcast.*.moved"
        version: ClassVar[int] = 3
        upcasts: ClassVar[Upcasts] = {
            1: lambda data: dict(zip("xy", data.pop("place"), strict=True)),
            2: lambda data: {**data, "reason": "unknown"},
        }
        x: int
        y: int
        reason: str

    return Moved


@pytest.mark.parametrize(
    ("version", "data"),
    [(1, {"place": [1, 2]}), (2, {"x": 1, "y": 2}), (3, {"x": 1, "y": 2, "reason": "unknown"})],
)
def test_a_stored_payload_of_any_version_is_read_as_today_s(version: int, data: dict[str, Any]) -> None:
    moved = declare_moved()
    event = Stored("upcast.7.moved", version, data)
    kept = dict(data)
    assert typed(event) == moved(x=1, y=2, reason="unknown")
    assert up_to_date(event) == {"x": 1, "y": 2, "reason": "unknown"}
    assert today(event) == Stored("upcast.7.moved", 3, {"x": 1, "y": 2, "reason": "unknown"})
    assert today(today(event)) == today(event)
    assert event.payload == kept, "what was read is left as it is"


def test_what_was_stored_is_still_validated() -> None:
    declare_moved()
    with pytest.raises(ValidationError):
        typed(Stored("upcast.7.moved", 3, {"x": 1}))


def test_an_event_newer_than_the_code_is_refused() -> None:
    declare_moved()
    with pytest.raises(UnknownVersion, match="knows no version 4"):
        up_to_date(Stored("upcast.7.moved", 4, {}))


def test_a_topic_that_nobody_declares_has_no_type_but_can_be_read() -> None:
    event = Stored("gone.plugin.told", 2, {"a": 1})
    with pytest.raises(UnknownTopic, match=r"gone\.plugin\.told"):
        typed(event)
    assert up_to_date(event) == {"a": 1}
    assert today(event) is event


def test_a_version_that_nothing_brings_up_to_date_is_found_by_a_check() -> None:
    assert checks.payloads_can_be_brought_up_to_date(None) == [], "of all payloads that there are"

    class Told(Payload):
        topic: ClassVar[str] = "test.told"
        version: ClassVar[int] = 3
        upcasts: ClassVar[Upcasts] = {1: dict}

    (error,) = checks.payloads_can_be_brought_up_to_date(None)
    assert (error.id, error.obj) == ("thunderflow.E001", Told)
    assert "version 2" in error.msg
    with pytest.raises(UnknownVersion, match="how version 2 becomes 3"):
        typed(Stored("test.told", 1, {}))
