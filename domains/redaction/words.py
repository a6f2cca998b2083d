"""Finding somebody in text by name, and taking out what names them. Pure; about a microsecond a short text.

A name is found as whole words, whatever its case, its form of Unicode (NFKC) and what stands between its parts: white
space, or a dash or underscore as in keys. Where a script
writes no spaces between words, or hangs particles on names, the name is found wherever it stands.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

REDACTED = "[redacted]"
WORD = "redacted"
"""In the place of one token of a topic or key."""
MOST_NAMES = 50
LONGEST = 200
"""Characters of a name."""

# Ids, instants and digests are numbers in the form of text.
_TECHNICAL = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|(?:[0-9a-f]{2}){8,64}"
)
# Thai to Khmer, kana, Han and Hangul.
_SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")


_PARTS = re.compile(r"[\s_-]+")


class BadName(ValueError):
    """A name that nothing can be found by, or far too much."""


class Words:
    """The names that somebody goes by."""

    def __init__(self, names: Iterable[str]) -> None:
        """Raises: BadName."""
        self.names = tuple(dict.fromkeys(checked(name) for name in names))
        if len(self.names) > MOST_NAMES:
            raise BadName(f"{len(self.names)} names are too many; {MOST_NAMES} is the most")
        self._folded = {self._plain(name) for name in self.names}
        longest = sorted(self._folded, key=len, reverse=True)
        forms = (r"[\s_-]+".join(map(re.escape, name.split(" "))) for name in longest)
        self._pattern = re.compile("|".join(forms) or r"(?!)")

    @staticmethod
    def _plain(text: str) -> str:
        return " ".join(filter(None, _PARTS.split(fold(text))))

    def __bool__(self) -> bool:
        return bool(self.names)

    def found(self, text: str) -> bool:
        """Whether a text names them."""
        folded = fold(text)
        start = 0
        while match := self._pattern.search(folded, start):
            if _apart(folded, match.start()) and _apart(folded, match.end()):
                return True
            start = match.start() + 1
        return False

    def without(self, text: str) -> str:
        """A text with each name in it replaced; one in which places cannot be told is replaced whole."""
        folded = fold(text)
        if not self.found(text):
            return text
        if len(folded) != len(text):
            return REDACTED
        left, end = [], 0
        for match in self._pattern.finditer(folded):
            if _apart(folded, match.start()) and _apart(folded, match.end()):
                left += [text[end : match.start()], REDACTED]
                end = match.end()
        return "".join([*left, text[end:]]) if not self.found("".join([*left, text[end:]])) else REDACTED

    def is_name(self, text: str) -> bool:
        """Whether a text is one of the names and nothing else."""
        return self._plain(text) in self._folded

    def in_json(self, text: str) -> bool:
        """Whether JSON may name them; what is escaped in it is not looked into, and counts as if it did."""
        return "\\" in text or self.found(text)


def checked(name: str) -> str:
    """A name without spaces around it. Raises: BadName."""
    name = " ".join(name.split())
    if len(name) > LONGEST or sum(letter.isalnum() for letter in fold(name)) < 2:
        raise BadName(f"{name!r}: a name has 2 to {LONGEST} characters, two of them letters or digits at least")
    if "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise BadName("a name has no NUL characters and no lone surrogates")
    return name


def fold(text: str) -> str:
    """The form in which texts are compared."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).replace("’", "'")


def _apart(text: str, place: int) -> bool:
    """Whether a word ends at a place."""
    if not 0 < place < len(text):
        return True
    before, after = text[place - 1], text[place]
    return not (_of_word(before) and _of_word(after)) or bool(_SPACELESS.match(before) and _SPACELESS.match(after))


def _of_word(letter: str) -> bool:
    return letter.isalnum() or unicodedata.category(letter).startswith("M")


def technical(text: str) -> bool:
    """Whether a text is an id, an instant or a digest, and says nothing to a reader."""
    return not text or _TECHNICAL.fullmatch(text) is not None


def mask(value: Any, words: Words, *, own: bool = False, kept: frozenset[str] = frozenset(), name: str = "") -> Any:
    """JSON with `REDACTED` for the strings that name somebody; of their `own`, for all that say anything.

    Structure, numbers, ids, instants and digests stay, and in what is their own the fields called `kept`. An object
    whose `name` is theirs is their own.
    """
    if isinstance(value, str):
        gone = (own and name not in kept and not technical(value)) or words.found(value)
        return REDACTED if gone else value
    if isinstance(value, list):
        return [mask(inner, words, own=own, kept=kept, name=name) for inner in value]
    if isinstance(value, dict):
        called = value.get("name")
        own = own or (isinstance(called, str) and words.is_name(called))
        masked: dict[str, Any] = {}
        for key, inner in value.items():
            masked[_key(key, words, masked)] = mask(inner, words, own=own, kept=kept, name=key)
        return masked
    return value


def _key(key: str, words: Words, taken: dict[str, Any]) -> str:
    """A key of an object; one that names somebody makes place for one that no other has."""
    if not words.found(key):
        return key
    place, number = REDACTED, 2
    while place in taken:
        place, number = f"{REDACTED} {number}", number + 1
    return place
