"""What may be pushed: bounds hold whatever is sent, and a refusal names the field."""

import json
import math
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agents import inputs
from agents.converse import storable
from agents.errors import InvalidPayload
from agents.inputs import MOST_OF_PAYLOAD, MOST_OF_TEXT, PUSHES, parse
from domains import sql
from zones.errors import InvalidZoneId

GOOD: dict[str, dict[str, Any]] = {
    "agent_move": {"position": {"x": 12.5, "y": 0, "z": -3}},
    "agent_interact": {"target_id": "018f0000-0000-7000-8000-000000000001", "kind": "greet", "text": "Hello!"},
    "consume_resource": {"resource_type": "food", "amount": 2.5},
    "say": {"text": "Bread at noon."},
    "broadcast": {"event": "market.open", "text": "Come all.", "payload": {"stalls": [1, 2.5, None, {"a": True}]}},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("verb", PUSHES)
def test_what_fits_is_read(verb: str) -> None:
    assert type(parse(verb, GOOD[verb])) is PUSHES[verb]


@pytest.mark.parametrize(
    ("verb", "payload", "field"),
    [
        ("agent_move", {}, "position"),
        ("agent_move", None, "payload"),
        ("agent_move", [], "payload"),
        ("agent_move", {"position": {"x": 1}}, "position.y"),
        ("agent_move", {"position": {"x": 1, "y": 100.001}}, "position.y"),
        ("agent_move", {"position": {"x": -0.1, "y": 1}}, "position.x"),
        ("agent_move", {"position": {"x": "1", "y": 1}}, "position.x"),
        ("agent_move", {"position": {"x": True, "y": 1}}, "position.x"),
        ("agent_move", {"position": {"x": math.nan, "y": 1}}, "position.x"),
        ("agent_move", {"position": {"x": math.inf, "y": 1}}, "position.x"),
        ("agent_move", {"position": {"x": 1, "y": 1, "z": 101}}, "position.z"),
        ("agent_move", {"position": {"x": 1, "y": 1, "z": math.nan}}, "position.z"),
        ("agent_move", {"position": {"x": 1, "y": 1, "w": 1}}, "position.w"),
        ("agent_move", {"position": {"x": 1, "y": 1}, "speed": 3}, "speed"),
        ("agent_interact", {"target_id": "nobody"}, "target_id"),
        ("agent_interact", {**GOOD["agent_interact"], "kind": "bite"}, "kind"),
        ("agent_interact", {**GOOD["agent_interact"], "text": ""}, "text"),
        ("consume_resource", {"resource_type": "gold", "amount": 1}, "resource_type"),
        ("consume_resource", {"resource_type": "food", "amount": 0}, "amount"),
        ("consume_resource", {"resource_type": "food", "amount": -1}, "amount"),
        ("consume_resource", {"resource_type": "food", "amount": 100.5}, "amount"),
        ("consume_resource", {"resource_type": "food", "amount": math.inf}, "amount"),
        ("consume_resource", {"resource_type": "food", "amount": "1"}, "amount"),
        ("say", {"text": " \n "}, "text"),
        ("say", {"text": "x" * (MOST_OF_TEXT + 1)}, "text"),
        ("say", {"text": "a\0b"}, "text"),
        ("say", {"text": "a\ud800b"}, "text"),
        ("say", {"text": 3}, "text"),
        ("say", {"a\ud800b": 1, "text": "x"}, "payload"),
        ("broadcast", {"event": "Market Open"}, "event"),
        ("broadcast", {"event": "x" * 65}, "event"),
        ("broadcast", {"event": "x\n"}, "event"),
        ("broadcast", {"event": "x", "payload": {"a": math.nan}}, "payload"),
        ("broadcast", {"event": "x", "payload": {"a": "\0"}}, "payload"),
        ("broadcast", {"event": "x", "payload": {"\ud800": 1}}, "payload"),
        ("broadcast", {"event": "x", "payload": {"a": 2**70}}, "payload"),
        ("broadcast", {"event": "x", "payload": {"a": "x" * MOST_OF_PAYLOAD}}, "payload"),
        ("broadcast", {"event": "x", "payload": {"a": [[[[[[[[[]]]]]]]]]}}, "payload"),
        ("broadcast", {"event": "x", "payload": {"a": {1, 2}}}, "payload"),
        ("fly", {}, "event"),
        ("fl\0y\ud800", {}, "event"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_field(verb: str, payload: object, field: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        parse(verb, payload)
    assert (refusal.value.code, refusal.value.field) == ("invalid_payload", field)
    assert str(refusal.value).startswith(f"{field}: ")
    assert json.loads(orjson.dumps(str(refusal.value))), "the refusal itself can be sent"


@given(st.sampled_from(sorted(PUSHES)), json_values)
def test_nothing_that_is_sent_breaks_it(verb: str, payload: object) -> None:
    try:
        found = parse(verb, payload)
    except InvalidPayload:
        return
    assert isinstance(found, BaseModel)


@given(st.floats(), st.floats(), st.floats())
def test_a_place_is_within_the_zone_or_refused(x: float, y: float, z: float) -> None:
    fits = all(0 <= value <= 100 for value in (x, y)) and -100 <= z <= 100
    try:
        position = parse("agent_move", {"position": {"x": x, "y": y, "z": z}}).position  # type: ignore[attr-defined]
    except InvalidPayload:
        assert not fits
    else:
        assert fits
        assert (position.x, position.y, position.z) == (x, y, z)


@given(st.floats())
def test_an_amount_is_positive_and_exact_to_four_places(amount: float) -> None:
    try:
        given = parse("consume_resource", {"resource_type": "energy", "amount": amount})
    except InvalidPayload:
        assert not 0.0001 <= amount <= 100
    else:
        assert 0.0001 <= given.amount == round(amount, 4) <= 100  # type: ignore[attr-defined]


@given(json_values)
def test_what_is_broadcast_can_be_stored(payload: Any) -> None:
    try:
        given = parse("broadcast", {"event": "x", "payload": {"a": payload}})
    except InvalidPayload:
        return
    encoded = sql.encode(given.payload)  # type: ignore[attr-defined]
    assert len(encoded) <= MOST_OF_PAYLOAD
    assert orjson.loads(encoded) == given.payload  # type: ignore[attr-defined]
    assert all(storable(text) == text for text in texts(payload))


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in texts(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


def test_words_are_trimmed() -> None:
    assert parse("say", {"text": "  Hello. \n"}).text == "Hello."  # type: ignore[attr-defined]


def test_a_zone_s_id_is_read_or_refused() -> None:
    one = uuid4()
    assert inputs.zone_id(one) == inputs.zone_id(str(one)) == one
    for wrong in ("", "lobby", "1", None, 7):
        with pytest.raises(InvalidZoneId) as refusal:
            inputs.zone_id(wrong)  # type: ignore[arg-type]
        assert refusal.value.code == "invalid_zone_id"
    assert isinstance(inputs.zone_id(str(UUID(int=0))), UUID)
