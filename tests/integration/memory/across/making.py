"""Many memories of a few agents, that lie in heaps as real ones do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from memory import actions
from memory.across import index
from memory.actions import NewMemory

WHO = "The baker|Ann|A tired sailor|The old teacher|My neighbour|Bo|A quiet child|The ferryman|Our doctor|The smith"
DID = "repaired|lost|painted|sold|dreamt of|talked about|found|broke|borrowed|remembered|hid|praised"
WHAT = "the red boat|a silver watch|two loaves of bread|the church bell|a lame horse|the garden gate|an old map"
WHERE = "near the harbour|in the market|after the storm|before dawn|at the lighthouse|under the bridge"
TEXTS = [f"{' '.join(parts)}." for parts in product(*(part.split("|") for part in (WHO, DID, WHAT, WHERE)))]
QUESTIONS = [
    "Who repaired a boat?", "What did Ann lose in the market?", "bread in the morning", "the bell of the church",
    "Who dreamt of a horse?", "Where is the old map hidden?", "storm at the harbour", "the sailor's silver watch",
    "What did the child break?", "the gate by the bridge", "a doctor before dawn", "praise for the smith",
]  # fmt: skip


def remember(agents: list[UUID], count: int, *, start: int = 0, **fields: Any) -> list[UUID]:
    """Store texts, always the same ones in the same order, dealt to the agents in turn. Needs no transaction."""
    texts = Random(5).sample(TEXTS, len(TEXTS))[start : start + count]
    assert len(texts) == count
    new = [NewMemory(agents[n % len(agents)], text, **fields) for n, text in enumerate(texts)]
    with transaction.atomic():
        return [each for each in actions.store_many(new) if each is not None]


@pytest.fixture
def no_index_left(transactional_db: None) -> Iterator[None]:
    """Tables are emptied after a test, indexes stay."""
    yield
    with connection.cursor() as cursor:
        for each in index.there():
            cursor.execute(f"DROP INDEX {connection.ops.quote_name(each.name)}")
