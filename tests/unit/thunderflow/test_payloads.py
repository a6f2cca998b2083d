from collections.abc import Iterator
from typing import ClassVar

import pytest
from pydantic import ValidationError

from domains.thunderflow import payloads
from domains.thunderflow.patterns import BadPattern
from domains.thunderflow.payloads import Payload, declared, payload_type


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
    return [cls for cls in subclasses(Payload) if not cls.__module__.startswith("tests.")]


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
