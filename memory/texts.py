"""When two texts are the same memory, and when one only repeats another. Pure.

"Ann said: “The bridge is shut.”"  repeats  "The bridge is shut."
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from hashlib import blake2b

PEELED = 3
"""How many times over somebody may have said that somebody said it."""

_WHO = r"(?:[\w.’'-]+ ){0,4}?"
_VERB = (
    r"(?:said|says|told(?: \w+)?|asked|answers?|answered|replied|remembered|remembers?|recalled|recalls?|mentioned"
    r"|noted|thought(?: back)?|reminded(?: \w+)?|reminds(?: \w+)?)"
)
_FORM = re.compile(rf"{_WHO}{_VERB}(?: (?:that|of|to \w+))?(?: ?[:,])? (?=\S)")
_QUOTES = "\"'“”‘’«»„"


def normalised(text: str) -> str:
    """The text without what makes no other memory of it: letter case, width, runs of white space, a full stop."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    plain = " ".join(text.casefold().split())
    return plain.rstrip(" .") or plain


def digest(text: str) -> bytes:
    """16 bytes, the same for texts that are the same memory. The text must be one that can be encoded."""
    return blake2b(normalised(text).encode(), digest_size=16).digest()


def layers(text: str) -> list[str]:
    """The normalised text, and what is left of it without each "X said", "I remember that" before it."""
    found = [normalised(text)]
    for _ in range(PEELED):
        form = _FORM.match(found[-1])
        if form is None:
            break
        rest = found[-1][form.end() :]
        found.append(normalised(rest.strip(_QUOTES) if rest[0] in _QUOTES else rest))
    return found


class Recalled:
    """Texts that an agent was just reminded of, to tell what only repeats them."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._said = {normalised(text) for text in texts}
        self._within = {layer for text in self._said for layer in layers(text)}

    def echoed_by(self, text: str) -> bool:
        """Whether a text says one of them again, in the same words, with or without who said so.

        What another one says in the words of a third is news: that this one says so too.
        """
        told = layers(text)
        return told[0] in self._within or not self._said.isdisjoint(told)
