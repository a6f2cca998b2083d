"""Which words of a text are words of the question, for showing. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from memory.recall import terms

# As `terms.words` finds them, in the text as it is written: accents may be letters of their own.
_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f]|['’](?=[^\W_]))*")


def pieces(text: str, question: str) -> list[tuple[str, bool]]:
    """The text in pieces, and whether each is a word of the question by its stem. Put together they are the text.

    Words of grammar count only in a question that has no others.
    """
    said = terms.words(question)
    wanted = {terms.stem(word) for word in terms.content(said) or said if word}
    return [piece for piece in _cut(text, wanted) if piece[0]]


def _cut(text: str, wanted: set[str]) -> Iterator[tuple[str, bool]]:
    end = 0
    for match in _WORD.finditer(text):
        if any(terms.stem(word) in wanted for word in terms.words(match.group())):
            yield text[end : match.start()], False
            yield match.group(), True
            end = match.end()
    yield text[end:], False
