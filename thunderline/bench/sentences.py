"""Sentences as agents might remember them, the same ones in every run: who, where, what and how much of it.

Words are drawn as often as in natural text (the n-th commonest one n-th as often as the commonest), some of them from
eleven thousand names, so that few memories share a rare word and many a common one.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def _listed(text: str) -> list[str]:
    """Words between commas, from the commonest to the rarest."""
    return [" ".join(word.split()) for word in text.split(",")]


_GIVEN = _listed(
    """
    Anna, John, Maria, Peter, Sarah, David, Emma, Thomas, Julia, Michael, Laura, Daniel, Alice, Robert, Nina,
    George, Helen, Martin, Clara, Paul, Grace, Simon, Rosa, Frank, Eva, Oliver, Irene, Henry, Lucy, Victor, Nora,
    Walter, Judith, Oscar, Ruth, Felix, Martha, Hugo, Esther, Leon, Iris, Arthur, Miriam, Edgar, Agnes, Bruno,
    Lydia, Theo, Edith, Jonas, Hanna, Ivan, Flora, Amir, Leila, Kenji, Yuki, Omar, Fatima, Diego, Carmen, Sven,
    Ingrid, Pavel, Olga, Liam, Fiona, Raj, Priya, Chen, Mei, Kofi, Amara, Mateo, Lucia, Anton, Greta, Otto, Wanda,
    Basil, Cecily, Dorian, Elspeth, Gideon, Hester, Ignatius, Jocasta, Linus, Maud, Nestor, Ottilie, Perpetua,
    Quentin, Rosamund, Silas, Tabitha, Ursula, Verity
    """
)
_FAMILY = _listed(
    """
    Miller, Smith, Baker, Novak, Garcia, Fischer, Wood, Rossi, Hill, Larsen, Carter, Kim, Brown, Weber, Silva,
    Cooper, Dubois, Petrov, Young, Moreau, Tanaka, Green, Costa, Hughes, Bauer, Olsen, Murphy, Santos, Wagner,
    Price, Lopez, Stone, Kowalski, Ferrari, Walsh, Nilsson, Shaw, Okafor, Brandt, Reyes, Sharma, Lindgren, Fox,
    Horvath, Mbeki, Quinn, Vidal, Sato, Haas, Barlow, Marsh, Delgado, Ekström, Frost, Gallo, Holm, Ibarra,
    Janssen, Keane, Lund, Mercer, Nagy, Ortega, Pike, Rahman, Sorensen, Thorne, Urban, Vance, Whitfield, Yilmaz,
    Zeller, Ashworth, Birtwistle, Cholmondeley, Drummond, Etherington, Fairweather, Goldsworthy, Hollingbery,
    Inglethorpe, Kettlewell, Lovelace, Merriweather
    """
)
_STARTS = _listed(
    "ba, bel, bran, cor, da, dor, el, fen, gal, ha, il, ka, ker, lin, ma, mar, nor, or, pa, ro, sel, ta, vin, wes"
)
_MIDDLES = _listed("a, an, ar, de, den, di, en, er, ga, il, in, ka, li, lo, ma, mi, na, ni, or, ra, ri, se, ta, vi")
_FINALS = _listed(
    "bor, dan, den, field, fen, gard, ham, la, lin, lo, mer, ney, nor, ric, rin, ros, sa, sel, son, ton, vel"
)


def _families() -> list[str]:
    """Those above, and eleven thousand that hardly anybody has, in the same order for all streams."""
    made = [start + middle + final for start in _STARTS for middle in _MIDDLES for final in _FINALS]
    random.Random(1).shuffle(made)  # noqa: S311
    return _FAMILY + [name.capitalize() for name in made]


_TOWNS = _listed(
    """
    Lisbon, Vienna, Bergen, Prague, Dublin, Seville, Krakow, Geneva, Oslo, Naples, Porto, Riga, Ghent, Bristol,
    Marseille, Kyoto, Toronto, Boston, Cairo, Lima, Nairobi, Bombay, Sydney, Quebec, Havana, Izmir, Tbilisi,
    Hanoi, Accra, Valparaiso, Tromso, Salamanca, Ljubljana, Dubrovnik, Aberdeen, Galway, Antwerp, Trieste, Leiden,
    Uppsala, Samarkand, Zanzibar
    """
)
_PLACES = _listed(
    """
    market, school, kitchen, harbour, library, garden, hospital, station, bakery, square, bridge, beach, office,
    church, museum, park, cinema, workshop, river, forest, swimming pool, theatre, airport, lake, mill,
    restaurant, gym, castle, post office, cemetery, orchard, lighthouse, university, stadium, ferry, bus stop,
    attic, cellar, playground, hotel, pharmacy, town hall, tavern, quarry, greenhouse, dockyard, tower, archive,
    meadow, clinic, canal, forge, observatory, vineyard, causeway, kiln, weir, cistern, apiary, boathouse,
    granary, toll house, ropewalk, bandstand, tannery
    """
)
_THINGS = _listed(
    """
    letter, book, car, phone, dog, house key, bicycle, photograph, cake, boat, coat, song, map, cat, guitar,
    painting, ticket, bread, camera, table, lamp, story, suitcase, horse, piano, clock, recipe, ring, umbrella,
    sweater, radio, chair, film, medicine, tent, tree, soup, necklace, computer, mirror, wallet, knife, carpet,
    violin, parcel, kite, newspaper, blanket, ladder, basket of pears, jar of honey, pair of boots, chess set,
    telescope, lantern, stove, kettle, rope, window, notebook, compass, quilt, cello, barometer, tea chest,
    spindle, weather vane, saddle, lathe, microscope, harmonica, pocket watch, flag, millstone, birdcage,
    accordion, sundial, abacus, loom, sextant, bellows, astrolabe, hourglass, metronome, gramophone, zither,
    theodolite, samovar, anvil, periscope, crucible, inkwell
    """
)
_ADJECTIVES = _listed(
    """
    old, new, small, broken, heavy, blue, green, lost, borrowed, beautiful, strange, cheap, wet, red, silent,
    golden, crooked, rusty, wooden, half-finished, expensive, faded, hollow, striped, amber, brittle, lacquered,
    translucent
    """
)
_FEELINGS = _listed(
    """
    happy, tired, worried, curious, proud, angry, hopeful, ashamed, calm, surprised, homesick, grateful, restless,
    jealous
    """
)
_DOINGS = _listed(
    """
    cooking, running, painting, swimming, reading, dancing, gardening, fishing, singing, cycling, studying,
    travelling, climbing, sewing, baking, drawing, skiing, camping, sailing, teaching, knitting, writing poems,
    learning Spanish, repairing clocks, volunteering, playing chess, watching birds, collecting stamps, keeping
    bees, carving wood, throwing pots, juggling, fencing, bookbinding, beekeeping, stargazing, glassblowing,
    calligraphy, taxidermy
    """
)
_KIN = _listed(
    """
    mother, brother, friend, sister, father, daughter, son, neighbour, wife, husband, teacher, boss, grandmother,
    uncle, cousin, aunt, doctor, grandfather, nephew, niece, landlady, apprentice, godfather, brother-in-law
    """
)
_DAYS = _listed("Saturday, Monday, Friday, Sunday, Wednesday, Thursday, Tuesday")

# What is remembered, and a question that it answers.
_FORMS = (
    ("{name}: I left the {adjective} {thing} at the {place}, next to {number} others.",
     "Where did {name} leave the {adjective} {thing}?"),
    ("{name} started {doing} last {day} and wants to go on with it.", "When did {name} start {doing}?"),
    ("I met {name} at the {place} and we talked about {doing} for {number} minutes.",
     "What did I talk about with {name} at the {place}?"),
    ("{name}: My {kin} is ill, so I am going to {town} on {day}.", "Why is {name} going to {town}?"),
    ("{other} asked me whether the {adjective} {thing} belongs to {name}.",
     "Who wanted to know if the {adjective} {thing} is {name}'s?"),
    ("{name} was {feeling} because the {thing} is gone.", "Why was {name} {feeling} about the {thing}?"),
    ("We had dinner with {name} and {other} near the {place} in {town}.",
     "Who had dinner with us near the {place} in {town}?"),
    ("I am {feeling}: {name} paid {number} coins for my {adjective} {thing}.",
     "How much did {name} pay for the {adjective} {thing}?"),
    ("{name}'s {kin} works at the {place} and likes {doing}.", "Where does {name}'s {kin} work?"),
    ("{name}: Do you remember the {adjective} {thing} that {other} gave me?",
     "Who gave {name} the {adjective} {thing}?"),
    ("There were {number} people at the {place}, and {name} played for them until late.",
     "For how many people did {name} play at the {place}?"),
    ("{name} and {other} want to mend the {thing} before {day}.", "What do {name} and {other} want to mend?"),
    ("It rained all {day}; we stayed inside and {name} told us about {town}.",
     "What did {name} tell us about when it rained?"),
    ("{name} told {other} that the {place} will close on {day}.",
     "What did {other} hear from {name} about the {place}?"),
    ("My {kin} gave me a {adjective} {thing} for my birthday.", "What did my {kin} give me for my birthday?"),
    ("{name} moved from {town} to {other_town} and misses the {place}.", "Where did {name} live before {other_town}?"),
    ("{name}: {doing} helps me when I am {feeling}.", "What helps {name} when feeling {feeling}?"),
    ("{name} and {other} had a quarrel over a {thing} at the {place}.", "What did {name} and {other} quarrel over?"),
    ("I dreamt of {number} horses running through {town}.", "In which dream were horses in {town}?"),
    ("{name} learned {doing} from a {kin} in {town}.", "Who taught {name} {doing} in {town}?"),
)  # fmt: skip
_ENDS = (
    "", "", "", "", " I felt {feeling} afterwards.", " {other} laughed about it.", " We will talk again on {day}.",
    " That was in {town}, {number} days ago.", " My {kin} said the same.", " The {place} was full of people.",
    " It made me think of my {adjective} {thing}.", " Then {name} went {doing}.",
)  # fmt: skip
AT_ONCE = 4096
IN_FULL = 0.3
"""Share of people who are named with their family's name."""


class Sentences:
    """One stream of sentences; another seed gives others, with the same words.

    Of two streams with the same seed, one may be asked for memories and the other for questions about them.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311
        self._words = {
            "name": self._people(), "other": self._people(),
            "town": self._drawn(_TOWNS), "other_town": self._drawn(_TOWNS[::-1]),
            "place": self._drawn(_PLACES), "thing": self._drawn(_THINGS), "adjective": self._drawn(_ADJECTIVES),
            "feeling": self._drawn(_FEELINGS), "doing": self._drawn(_DOINGS), "kin": self._drawn(_KIN),
            "day": self._drawn(_DAYS), "number": self._drawn([str(n) for n in range(2, 2000)]),
        }  # fmt: skip
        self._forms = self._drawn(_FORMS, flat=True)
        self._ends = self._drawn(_ENDS, flat=True)

    def memory(self) -> str:
        """Something to remember, of some fifteen words."""
        memory, _, end = self._next()
        return memory + end

    def question(self) -> str:
        """A question that is answered by what `memory` would have given in its place."""
        return self._next()[1]

    def _next(self) -> tuple[str, str, str]:
        drawn = _Drawn(self._words)
        memory, question = (form.format_map(drawn) for form in next(self._forms))
        return memory, question, next(self._ends).format_map(_Drawn(self._words))

    def _people(self) -> Iterator[str]:
        for given, family in zip(self._drawn(_GIVEN), self._drawn(_families()), strict=True):
            yield f"{given} {family}" if self._chance.random() < IN_FULL else given

    def _drawn(self, words: Sequence[T], *, flat: bool = False) -> Iterator[T]:
        """Without end, each by its place in the row, or each as often as any."""
        weights = list(itertools.accumulate(1 if flat else 1 / place for place in range(1, len(words) + 1)))
        while True:
            yield from self._chance.choices(words, cum_weights=weights, k=AT_ONCE)


class _Drawn(dict[str, str]):
    """A word of each kind, drawn when it is first looked up."""

    def __init__(self, words: Mapping[str, Iterator[str]]) -> None:
        super().__init__()
        self._streams = words

    def __missing__(self, kind: str) -> str:
        word = self[kind] = next(self._streams[kind])
        return word
