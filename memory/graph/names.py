"""Names in texts, found by rules: capitals, speakers, quotes and titles. Pure; about 60 µs for two or three sentences.

The rules know English, and how other languages with capitals write names. A word that begins a sentence has its
capital from there: it is told as unsure, and counts only for who knows the name already.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, replace

PERSON, PLACE, THING = "person", "place", "thing"
LONGEST_NAME = 100
"""Characters. What is longer is a heading and not a name."""
LONGEST_KEY = 300
"""Characters of what names are compared by: some letters become several."""
MOST_NAMES = 40
"""In one text; the first count."""


@dataclass(frozen=True, slots=True)
class Name:
    """Something that a text names. `kind` is a hint; `sure` is false for what may only begin a sentence."""

    text: str
    kind: str = THING
    sure: bool = True

    @property
    def key(self) -> str:
        """What two spellings of a name have in common."""
        return key(self.text)


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    """Without a possessive or a contraction."""
    gap: str
    """What stands between it and the word before."""
    cut: bool
    """Something was cut off, so that no name goes on after it."""
    capital: bool
    begins: bool
    """A sentence begins with it."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Capitals that every text has. Days and months are dates, and "I" is nobody's name.
NOT_NAMES = _set(
    """
    i me my mine myself we us our ours you your yours he him his she her hers it its they them their theirs who whom
    whose which what this that these those there here one ones someone somebody something anyone anybody anything
    everyone everybody everything nobody nothing none both either neither each every all any some many most much
    more few several other others another such same a an the and or but nor so yet for if then else when while where
    why how because since though although until unless as at by in into on onto of off to from with without within
    over under up down out about after before between through during against around along across behind beyond near
    than like via per am is are was were be been being do does did done have has had having can could might must
    shall should would ought let lets go goes going gonna gotta wanna got get gets getting not no yes yep yeah yup
    nope nah ok okay oh ah aw aww wow whoa hey hi hello hiya bye goodbye thanks thank thx please sorry well sure
    right great good nice cool awesome amazing absolutely definitely totally exactly indeed really actually maybe
    perhaps anyway also too just only even still again already always never ever often sometimes now today tonight
    tomorrow yesterday soon later once twice first second third last next finally lately recently congrats
    congratulations welcome cheers haha hahaha lol omg btw ps pps fyi aka tbh imo asap tv am pm diy mr mrs ms dr
    prof sir madam mom mum dad mama papa mother father grandma grandpa sis bro god monday tuesday wednesday thursday
    friday saturday sunday mon tue tues wed thu thur thurs fri sat sun january february march july september october
    november december jan feb mar apr jun jul aug sep sept oct nov dec spring fall winter note answer question
    summary example warning tip update edit todo source photo picture image link looking feeling trying thinking
    taking having making working hoping keeping seeing hearing talking
    """
)
TITLES = _set("mr mrs ms dr prof sir madam st lady lord captain aunt uncle")
LINKS = _set("of the de la le del der den van von da di du")
"""Words in the midst of a name: Bank of England, Vincent van Gogh."""
ALSO_NAMES = _set("april may june august summer autumn will")
"""Common words that people are called by too: names when somebody known is called so, or speaks."""
DATED = _set("in on during since until till by of last next this early late mid before after every all")
"""Before a month, which is no person then."""
WHERE = _set("in at near towards toward into around outside inside across throughout")
SPEECH = _set(
    """
    said says asked asks told tells answered answers replied replies shouted whispered wrote writes called
    """
)
_NO_TITLES = NOT_NAMES - {"a", "an", "the"}
CALLED = _set("called named titled book song film movie album novel play show band game ship boat")
_CONTRACTED = _set("m re ve ll d t")
_APOSTROPHES = "'’"
_ENDS = frozenset('.!?…:;\n•“"‘([—–*-')

_WORD = re.compile(r"\w+(?:['’\-&]\w+)*['’]?")
_SPEAKER = re.compile(r"^[ \t]*([^\W\d_a-z][\w'’.\-]*(?: [^\W\d_a-z][\w'’.\-]*){0,2}):(?=\s|$)", re.MULTILINE)
_QUOTED = re.compile(r"“([^“”\n]{2,80})”|\"([^\"\n]{2,80})\"|«([^«»\n]{2,80})»")
_SPACES = re.compile(r"\s+")


def key(text: str) -> str:
    """A name's form for comparing: compatible letters, no case, single spaces, no article before it, no marks around.

    Empty for a text without letters or digits.
    """
    trimmed = _trim(fold(text))[:LONGEST_KEY]
    return _trim(trimmed[4:] if trimmed.startswith("the ") else trimmed)


def fold(text: str) -> str:
    """Compatible letters, no case, single spaces, none around."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold().replace("’", "'")).strip()


def find(text: str, known: Collection[str] = ()) -> list[Name]:
    """Names in a text, each once by its key, `MOST_NAMES` of them: speakers, titles, then the others in their order.

    `known` are keys of names that are names although they are common words: of an agent called Will.
    """
    found: dict[str, Name] = {}
    quoted = _quoted(text)
    outside = text
    for name in quoted:
        outside = outside.replace(name.text, "…")
    for name in (*_speakers(text), *quoted, *_runs(_words(outside), known)):
        _add(found, name, known)
    return list(found.values())[:MOST_NAMES]


def _add(found: dict[str, Name], name: Name, known: Collection[str]) -> None:
    """Keep a name; what is said of it twice is added up."""
    if not 2 <= len(name.text) <= LONGEST_NAME or not (its_key := key(name.text)):
        return
    if its_key in NOT_NAMES and its_key not in known:
        return
    before = found.get(its_key)
    if before is None:
        found[its_key] = name
    else:
        kind = name.kind if before.kind == THING else before.kind
        found[its_key] = replace(before, kind=kind, sure=before.sure or name.sure)


def _speakers(text: str) -> list[Name]:
    """Who speaks, in lines like `Ann: Hello`."""
    return [Name(said, PERSON) for said in _SPEAKER.findall(text) if _base(said).casefold() not in NOT_NAMES]


def _quoted(text: str) -> list[Name]:
    """Titles in quotes: several words with capitals, or one that is said to be a name."""
    names = []
    for match in _QUOTED.finditer(text):
        inner = next(group for group in match.groups() if group is not None).strip(" ,")
        words = inner.split()
        if not words or any(mark in inner for mark in ".!?:;") or not words[0][0].isupper():
            continue
        before = text[max(0, match.start() - 20) : match.start()].split()
        called = bool(before) and before[-1].casefold().strip(",") in CALLED
        capitals = all(w[0].isupper() or w.casefold() in (*LINKS, "and") or not w[0].isalpha() for w in words)
        if called or (2 <= len(words) <= 7 and capitals and words[0].casefold() not in _NO_TITLES):
            names.append(Name(inner))
    return names


def _words(text: str) -> list[_Word]:
    found: list[_Word] = []
    end = 0
    for match in _WORD.finditer(text):
        written, gap = match.group(), text[end : match.start()]
        base = _base(written)
        abbreviated = bool(found) and gap.startswith(".") and found[-1].text.casefold() in TITLES
        begins = not found or (not abbreviated and not _ENDS.isdisjoint(gap))
        found.append(_Word(base, " " if abbreviated else gap, base != written, _has_capital(base), begins))
        end = match.end()
    return found


def _has_capital(word: str) -> bool:
    """Not what is shouted."""
    return word[:1].isupper() and not (len(word) > 5 and word.isupper())


def _base(word: str) -> str:
    """Without `'s`, a bare apostrophe after it, or a contraction; empty for what `n't` is part of."""
    word = word.rstrip(_APOSTROPHES)
    cut = max(word.rfind(mark) for mark in _APOSTROPHES)
    if cut < 0:
        return word
    rest = word[cut + 1 :].casefold()
    if rest == "t":
        return ""
    return word[:cut] if rest == "s" or rest in _CONTRACTED else word


def _runs(words: list[_Word], known: Collection[str]) -> list[Name]:
    """Words with capitals that stand together."""
    names: list[Name] = []
    place = 0
    while place < len(words):
        if not _may_begin(words[place], known):
            place += 1
            continue
        end = _run_end(words, place, known)
        names += _run(words, place, end)
        place = end
    return names


def _may_begin(word: _Word, known: Collection[str]) -> bool:
    if not word.capital or len(word.text) < 2:
        return False
    folded = word.text.casefold()
    return folded not in NOT_NAMES or folded in TITLES or folded in known


def _run_end(words: list[_Word], start: int, known: Collection[str]) -> int:
    """Place after the run that begins at `start`: capitals, numbers, and links with a capital after them."""
    end = start + 1
    while end < len(words) and not words[end - 1].cut:
        if _goes_on(words[end], known):
            end += 1
            continue
        ahead = end
        while ahead < len(words) and ahead - end < 2 and words[ahead].gap == " " and words[ahead].text in LINKS:
            ahead += 1
        if ahead == end or ahead >= len(words) or not _goes_on(words[ahead], known) or words[ahead].text.isdigit():
            break
        end = ahead + 1
    return end


def _goes_on(word: _Word, known: Collection[str]) -> bool:
    if word.gap != " ":
        return False
    if word.text.isdigit():
        return len(word.text) <= 4
    return (
        word.capital and word.text != "I" and (word.text.casefold() not in NOT_NAMES or word.text.casefold() in known)
    )


def _run(words: list[_Word], start: int, end: int) -> list[Name]:
    first, before = words[start], words[start - 1].text.casefold() if start else ""
    titled = first.text.casefold() in TITLES
    single = end - start == 1
    common = single and first.text.casefold() in ALSO_NAMES
    if single and (titled or (common and before in DATED)):
        return []
    after = words[end] if end < len(words) else None
    speaks = after is not None and after.gap == " " and not words[end - 1].cut and after.text in SPEECH
    there = before in WHERE and not (first.begins or words[end - 1].cut)
    kind = PERSON if titled or speaks else PLACE if there else THING
    whole = Name(_joined(words[start:end]), kind, sure=titled or speaks or not (first.begins or common))
    if whole.sure or single or words[start + 1].text.isdigit():
        return [whole]
    # "Saw Melanie": the first has its capital from the sentence, what follows has not.
    rest = start + 1
    while rest < end and not (words[rest].capital and len(words[rest].text) > 1):
        rest += 1
    return [whole, Name(_joined(words[rest:end]), kind)] if rest < end else [whole]


def _joined(words: list[_Word]) -> str:
    return " ".join(word.text for word in words)


def _trim(text: str) -> str:
    """Without marks and spaces on either end."""
    start, end = 0, len(text)
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return text[start:end]


def beginnings(its_key: str) -> list[str]:
    """Keys of what a name of several words begins with, shorter ones first: `ann`, `ann mary` of `ann mary smith`."""
    words = its_key.split(" ")
    return [" ".join(words[:count]) for count in range(1, len(words))]
