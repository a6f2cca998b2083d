"""When two texts are nearly the same memory. Pure.

They are when the same words come in the same order, but for what carries no meaning of its own: letter case,
punctuation, articles, sighs, interjections, intensifiers, contractions, numbers in words, and where "in May" or
"yesterday" stands. Every other word counts, so that another number, name, date or a "not" more is another memory. A
wrong merge loses something for good; two that say the same in other words only cost a row.

Nearness of vectors is not asked, for it tells nothing here: of pairs of texts that differ by a number, a date or a
"not" nearly all have a cosine above 0.95, of pairs that differ by capital letters only, most have less
(`docs/adr/0020-near-equal.md`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

from memory.texts import normalised

VERSION = b"form 2"
"""Changes when the rule does; forms of two versions are never equal."""

# Numbers with their signs and separators, words with apostrophes inside, and single signs that mean something.
_TOKEN = re.compile(r"(?<![\w.,:])[-+−]?\d+(?:[.,:]\d+)*(?!\w)|[^\W_]+(?:['’][^\W_]+)*|,|[^\w\s]")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+$")
_MORE_SENTENCES = re.compile(r"[.!?…]\s+\S")
_COMMA = ","


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ARTICLES = _set("a an the oh ah aw um uh er hmm hm please")
_INTENSIFIERS = _set("very really quite truly indeed actually basically literally honestly")
_INTERJECTIONS = _set("wow well hey yeah yep yes so haha hahaha lol")
_NEGATIONS = _set("not no never nor neither none nobody nothing without hardly")
_SAYING = _set(
    "say says said tell tells told think thinks thought know knows knew believe believes believed remember remembers "
    "remembered hear hears heard see sees saw find finds found notice notices noticed"
)
_FRONT = _set(
    "in on at by from with after before when while if because since as during until every each this last next today "
    "yesterday tomorrow tonight"
)
_FRONT_WORDS = 8
# Where there are two things that happened, what stands behind the second is said of that one.
_CLAUSES = _SAYING | _set("asked asks ask who which that because and but or when while if before after since until")
_DAYS = _set("yesterday today tomorrow tonight")
_MONTHS = _set("january february march april may june july august september october november december")
_WEEKDAYS = _set("monday tuesday wednesday thursday friday saturday sunday")
_SPANS = _set("week weekend month year night morning afternoon evening spring summer autumn fall winter")
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90"}
_WHOLE = {
    "cannot": ("can", "not"), "can't": ("can", "not"), "won't": ("will", "not"), "shan't": ("shall", "not"),
    "let's": ("let", "us"), "okay": ("ok",), "&": ("and",), "gonna": ("going", "to"), "wanna": ("want", "to"),
}  # fmt: skip
_ENDINGS = {"n't": "not", "'re": "are", "'ve": "have", "'ll": "will", "'m": "am"}
_IS = _set("it's that's there's here's he's she's what's who's where's how's")
# Signs that only divide. A question mark is none of them: who asks does not say so.
_SILENT = frozenset(".;:!…\"'“”‘’«»„()[]{}*_-–—−~`·•|\\")


def form(text: str) -> bytes:
    """16 bytes, the same for texts that are nearly the same memory, and only for those."""
    return blake2b("\0".join(words(text)).encode(), digest_size=16, key=VERSION).digest()


def alike(one: str, other: str) -> bool:
    """Whether two texts are nearly the same memory."""
    return words(one) == words(other)


def words(text: str) -> tuple[str, ...]:
    """What of a text counts, in order. Of one without any such word, its normalised text."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    tokens = [token for raw in _TOKEN.findall(plain) for token in _spelt(raw)]
    tokens = _fronted(tokens) if not _MORE_SENTENCES.search(plain) else tokens
    kept = tuple(token for place, token in enumerate(tokens) if not _weightless(tokens, place))
    return kept or ("", normalised(text))


def _spelt(token: str) -> Sequence[str]:
    """A token as it is spelt everywhere."""
    if token in _WHOLE:
        return _WHOLE[token]
    if token[-1].isdigit():
        token = token.replace("−", "-").removeprefix("+")
        return (token.replace(",", ""),) if _THOUSANDS.match(token) else (token,)
    if token in _IS:
        return (token[:-2], "is")
    for ending, word in _ENDINGS.items():
        if token.endswith(ending) and len(token) > len(ending):
            return (token.removesuffix(ending), word)
    return (_NUMBERS.get(token, token),)


def _fronted(tokens: list[str]) -> list[str]:
    """What says when at the beginning, as in "In May, Ann left." or "Yesterday Ann left", put behind the rest."""
    start = _speaker(tokens)
    count = _time(tokens, start) or _before_comma(tokens, start)
    if not count or start + count == len(tokens):
        return tokens
    front, rest = tokens[start : start + count], tokens[start + count :]
    if not _CLAUSES.isdisjoint(rest):
        return tokens
    asked = [token for token in rest if token == "?"]  # noqa: S105 - a sign, and no secret
    return [*tokens[:start], *(token for token in rest if token != "?"), *front, *asked]  # noqa: S105


def _speaker(tokens: Sequence[str]) -> int:
    """How many tokens at the beginning say whose words the others are: "Ann:"."""
    return next((place + 1 for place in (1, 2) if tokens[place : place + 1] == [":"]), 0)


def _time(tokens: Sequence[str], start: int) -> int:
    """How many tokens from there on are a day or a span."""
    first, second, *_ = (*tokens[start : start + 2], "", "")
    if first in _DAYS:
        return 1
    span = first in ("last", "next", "this", "every") and second in _SPANS | _WEEKDAYS | _MONTHS
    return 2 if span or (first == "in" and second in _MONTHS) or (first == "on" and second in _WEEKDAYS) else 0


def _before_comma(tokens: list[str], start: int) -> int:
    """How many tokens from there on are a clause of its own, if the text has no other comma."""
    if tokens[start : start + 1] == [] or tokens[start] not in _FRONT or tokens.count(_COMMA) != 1:
        return 0
    count = tokens.index(_COMMA) - start
    return count if 0 < count <= _FRONT_WORDS else 0


def _weightless(tokens: Sequence[str], place: int) -> bool:
    token = tokens[place]
    before = tokens[place - 1] if place else ""
    after = tokens[place + 1] if place + 1 < len(tokens) else ""
    if token == "a" and after in ("few", "little"):  # noqa: S105 - "few came" says the contrary
        return False
    if token in _INTERJECTIONS:
        return after == _COMMA and place + 2 < len(tokens) and (place == 0 or before in _SILENT)
    if token in _INTENSIFIERS:
        return before not in _NEGATIONS and place > 0
    if token == "that":  # noqa: S105
        return before in _SAYING and bool(after)
    return token in _ARTICLES or token in _SILENT or token == _COMMA
