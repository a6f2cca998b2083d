"""Who is meant by a name: one agent's entities by their names, and which of them a new name belongs to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from domains.ids import new_id
from memory.graph.names import PERSON, PLACE, THING, Name, beginnings, key

SHORTEST_NICKNAME = 3
LONGEST_NICKNAME = 6
KnownNames = Mapping[str, tuple[str, str]]
"""Name and kind, by key."""
_WEIGHT = {THING: 0, PLACE: 1, PERSON: 2}


@dataclass(slots=True)
class Entity:
    """Somebody or something that an agent remembers. `fresh`: it is not written down yet; `changed`: as it is now."""

    id: UUID
    name: str
    kind: str
    fresh: bool = False
    changed: bool = False


@dataclass(slots=True)
class Directory:
    """One agent's entities, as far as they were looked up. `known`: names that its world is sure of."""

    entities: dict[str, Entity] = field(default_factory=dict)
    """By alias key."""
    known: KnownNames = field(default_factory=dict)
    new_aliases: dict[str, Entity] = field(default_factory=dict)
    make_id: Callable[[], UUID] = new_id

    def meant(self, name: Name) -> Entity | None:
        """Whom a name means, made when nobody is known by it; None for a word that may only begin a sentence."""
        its_key = name.key
        sure_text, sure_kind = self.known.get(its_key, (name.text, name.kind))
        entity = self.entities.get(its_key)
        if entity is None:
            if not name.sure and its_key not in self.known:
                return None
            entity = self._by_part(its_key, sure_kind) or Entity(self.make_id(), sure_text, sure_kind, fresh=True)
            if len(sure_text) > len(entity.name) and sure_kind == PERSON:
                entity.name, entity.changed = sure_text, True
            self.entities[its_key] = self.new_aliases[its_key] = entity
        if _WEIGHT[sure_kind] > _WEIGHT[entity.kind] and (entity.kind == THING or its_key in self.known):
            entity.kind, entity.changed = sure_kind, True
        return entity

    def all_meant(self, names: Iterable[Name]) -> list[Entity]:
        """Everybody that a text names, each once. What is part of a longer name that is meant is not told again."""
        found: dict[UUID, Entity] = {}
        taken: set[str] = set()
        for name in names:
            its_key = name.key
            if its_key in taken and its_key not in self.entities:
                continue
            entity = self.meant(name)
            if entity is not None:
                found.setdefault(entity.id, entity)
                taken.update(its_key.split(" "))
        return list(found.values())

    def _by_part(self, its_key: str, kind: str) -> Entity | None:
        """The one person whose name this is a part of, goes on from, or is short for."""
        if kind == PLACE:
            return None
        longer = self._persons(lambda alias: alias.startswith(its_key + " "))
        if len(longer) == 1:
            return longer[0]
        if shorter := [self.entities[part] for part in beginnings(its_key) if part in self.entities]:
            person = shorter[-1]
            alone = not self._persons(lambda alias: " " in alias and self.entities[alias] is person)
            return person if person.kind == PERSON and alone else None
        # Two who speak are two; only of whom nothing else is known may it be a nickname.
        if kind == THING and len(its_key) >= SHORTEST_NICKNAME and " " not in its_key:
            full = self._persons(lambda alias: alias.startswith(its_key) and " " not in alias)
            return full[0] if len(full) == 1 else None
        return self._known_by_nickname(its_key) if kind == PERSON else None

    def _known_by_nickname(self, its_key: str) -> Entity | None:
        """The one of whom only a short form of this name was known. It has the full name from here on."""
        short = [self.entities[part] for part in _short_forms(its_key) if part in self.entities]
        if len(short) != 1 or short[0].kind != THING:
            return None
        return short[0]

    def _persons(self, fits: Callable[[str], bool]) -> list[Entity]:
        found = {e.id: e for alias, e in self.entities.items() if e.kind == PERSON and fits(alias)}
        return list(found.values())


def _short_forms(its_key: str) -> list[str]:
    """What a name of one word may be shortened to."""
    sizes = range(SHORTEST_NICKNAME, min(len(its_key), LONGEST_NICKNAME + 1))
    return [] if " " in its_key else [its_key[:size] for size in sizes]


def lookups(names: Iterable[Name]) -> list[tuple[str, bool]]:
    """Keys to look up before `Directory.meant` is asked, and whether what begins with them is wanted too."""
    asked: dict[str, bool] = {}
    for name in names:
        its_key = name.key
        asked[its_key] = asked.get(its_key, False) or name.sure
        if name.sure:
            for part in beginnings(its_key)[:1]:
                asked[part] = True
            for part in _short_forms(its_key) if name.kind == PERSON else ():
                asked.setdefault(part, False)
    return list(asked.items())


def known_names(names: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Names and kinds that are handed in, by key, as `Directory.known` wants them."""
    return {key(text): (text, kind) for text, kind in names.items() if key(text)}
