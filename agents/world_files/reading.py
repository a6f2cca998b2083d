"""From YAML to a `WorldFile`, or to every mistake with its line, column and path.

Talks to libyaml by way of PyYAML (some 20 times as fast as a loader in Python); no YAML leaves this module. Plain
words mean what YAML 1.2 says (`no` and `12:30` are text), tags that make objects are refused.
"""

from __future__ import annotations

import gc
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import ValidationError

from agents.world_files import checks
from agents.world_files.mistakes import AT_KEY, BadFile, Mistake, Path, written
from agents.world_files.problems import explain
from agents.world_files.schema import WorldFile

DEEPEST = 40
"""libyaml's composer is recursive in C: what is nested too deeply would end the process."""
MOST_VALUES = 5_000_000
"""Guards against a small file whose aliases unfold into a huge one."""


class _Loader(yaml.CSafeLoader):
    """The core schema of YAML 1.2: null, true/false, decimal numbers; all else is text."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", list("-+.")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


PLAIN_WORDS = _Loader.yaml_implicit_resolvers
"""What unquoted words are taken for, by their first character."""


@contextmanager
def no_collector() -> Iterator[None]:
    """Keep Python's cycle collector from walking the same half million nodes over and over: 4 s of 5."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Document:
    """A world file that was read without mistakes, with its text, so that later ones can be placed too."""

    file: str
    text: str | bytes
    world: WorldFile

    def refuse(self, found: Iterable[tuple[Path, str]]) -> BadFile:
        """Mistakes that show only beside what lives."""
        tree = _Tree(self.file, _compose(self.text, self.file) if self.text else None)
        return BadFile([tree.mistake(path, message) for path, message in found])


def read(text: str | bytes, *, file: str = "-") -> Document:
    """A checked world file. `file` is its name in messages. Raises: BadFile with all mistakes found."""
    with no_collector():
        root = _compose(text, file)
        tree = _Tree(file, root)
        return Document(file, text, tree.checked(tree.value(root, ())))


def from_source(source: Mapping[str, Any], *, name: str) -> Document:
    """The file that a world was loaded from, as it was kept with the world. Raises: BadFile."""
    file = f"the stored source of {name}"
    return Document(file, "", _Tree(file, None).checked(source))


def _compose(text: str | bytes, file: str) -> yaml.Node:
    try:
        _check_depth(text, file)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line, column = _place(error.problem_mark or error.context_mark)
        message = "one world a file" if "single document" in str(error.context) else str(error.problem)
        raise BadFile([Mistake(file, line, column, "", message)]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadFile([Mistake(file, 0, 0, "", f"not YAML: {_one_line(error)}")]) from error
    if root is None:
        raise BadFile([Mistake(file, 1, 1, "", "the file is empty; a world needs a name")])
    return root


def _check_depth(text: str | bytes, file: str) -> None:
    """Raises: BadFile, yaml.YAMLError."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise BadFile([Mistake(file, *_place(event.start_mark), "", "nested too deeply")])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _place(mark: Any) -> tuple[int, int]:
    """Line and column, both from 1; 0 and 0 for nowhere."""
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


@dataclass(slots=True)
class _Tree:
    """One file's nodes: their values, and where they stand."""

    file: str
    root: yaml.Node | None
    mistakes: list[Mistake] = field(default_factory=list)
    _done: dict[int, Any] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)
    _values: int = 0

    def checked(self, data: Any) -> WorldFile:
        """Raises: BadFile."""
        world, found = None, list(checks.whole(data))
        try:
            world = WorldFile.model_validate(data, strict=True)
        except ValidationError as error:
            found += [explain(dict(problem)) for problem in error.errors(include_url=False)]
        known = {mistake.path for mistake in self.mistakes}
        self.mistakes += [m for path, message in found if (m := self.mistake(path, message)).path not in known]
        if self.mistakes or world is None:
            raise BadFile(sorted(self.mistakes, key=lambda m: (m.line, m.column)))
        return world

    def mistake(self, path: Path, message: str) -> Mistake:
        """A mistake at a path; of a path that is not there, at the nearest thing around it."""
        at_key, path = path[-1:] == (AT_KEY,), tuple(part for part in path if part != AT_KEY)
        node = self.root
        for i, part in enumerate(path):
            if (inner := _inside(node, part, key=at_key and i == len(path) - 1)) is None:
                break
            node = inner
        return Mistake(self.file, *_place(node.start_mark if node else None), written(path), message)

    def value(self, node: yaml.Node, path: Path) -> Any:
        """The plain value of a node. Mistakes are collected; what is mistaken is None."""
        self._values += 1
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._done:
            return self._again(node, path)
        if id(node) in self._open:
            return self._refuse(node, path, "contains itself")
        self._open.add(id(node))
        made = self._sequence(node, path) if isinstance(node, yaml.SequenceNode) else self._mapping(node, path)
        self._open.discard(id(node))
        self._done[id(node)] = made
        return made

    def _again(self, node: yaml.Node, path: Path) -> Any:
        self._values += _size(self._done[id(node)])
        if self._values > MOST_VALUES:
            return self._refuse(node, path, "the file's aliases unfold into too much")
        return self._done[id(node)]

    def _refuse(self, node: yaml.Node, path: Path, message: str) -> None:
        self.mistakes.append(Mistake(self.file, *_place(node.start_mark), written(path), message))

    def _sequence(self, node: yaml.SequenceNode, path: Path) -> Any:
        if not node.tag.endswith("2002:seq"):
            return self._refuse(node, path, f"the tag {node.tag} is not allowed here")
        return [self.value(inner, (*path, i)) for i, inner in enumerate(node.value)]

    def _mapping(self, node: yaml.Node, path: Path) -> Any:
        if not node.tag.endswith("2002:map"):
            return self._refuse(node, path, f"the tag {node.tag} is not allowed here")
        made: dict[str, Any] = {}
        for key, inner in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(key, path, "a key must be one word")
            elif key.value in made:
                self._refuse(key, (*path, key.value), "is said twice")
            else:
                made[key.value] = self.value(inner, (*path, key.value))
        return made

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        kind, text = node.tag.removeprefix("tag:yaml.org,2002:"), node.value
        if kind not in ("str", "null", "bool", "int", "float"):
            return self._refuse(node, path, f"the tag {node.tag} is not allowed here")
        if kind == "str":
            return self._refuse(node, path, "has a NUL character in it") if "\0" in text else text
        if kind == "null":
            return None
        if kind == "bool" and text[:1] in "tTfF":
            return text[0] in "tT"
        try:
            if kind == "int":
                return int(text) if len(text) < 30 else float(text)
            if kind == "float":
                return float(text.replace(".inf", "inf").replace(".nan", "nan")) if text else math.nan
        except ValueError:
            pass
        return self._refuse(node, path, f"{text[:40]!r} cannot be read as {kind}")


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def _inside(node: yaml.Node | None, part: str | int, *, key: bool) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return node.value[part] if part < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((pair[0 if key else 1] for pair in node.value if pair[0].value == part), None)
    return None
