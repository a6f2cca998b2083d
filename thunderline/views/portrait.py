"""A face from a character: the same traits and name always give the same one. Pure; drawn by `parts/portrait.html`.

Openness opens the eyes and lets the hair curl, conscientiousness combs it, extraversion widens the mouth,
agreeableness bends it up and warms the cheeks, neuroticism raises the brows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, radians, sin

from domains.chance import Chance

SKINS = ("#f2cfae", "#e3b38c", "#c98f66", "#a86f4a", "#7d4f35", "#5b3a29")
HAIRS = ("#2b2a33", "#4a3226", "#7a4a2b", "#a8692f", "#c9a15a", "#8c8f98", "#8d3b32")
LOW, HIGH = 0.38, 0.62
"""Of a trait, below and above which it is worth a word."""
WORDS = {
    "openness": ("set in its ways", "curious"),
    "conscientiousness": ("easy-going", "thorough"),
    "extraversion": ("quiet", "outgoing"),
    "agreeableness": ("stubborn", "kind"),
    "neuroticism": ("calm", "anxious"),
}


@dataclass(frozen=True, slots=True)
class Portrait:
    """What is drawn on 100 × 100; `paper` and `coat` are hues, 0–359."""

    words: str
    paper: int
    coat: int
    skin: str
    hair: str
    head: tuple[float, float]
    """Half its width and height."""
    strands: list[str]
    """Paths."""
    left: float
    right: float
    eye: float
    """Half of how far it is open; `white` is half its width."""
    white: float
    brows: tuple[str, str]
    mouth: str
    open_mouth: bool
    cheek: float
    """How strongly they glow, 0–1."""


def portrait(traits: Mapping[str, float], name: str) -> Portrait:
    """Of traits 0–1."""
    chance = Chance(sum((i + 1) * ord(char) for i, char in enumerate(name)), 0, 0, "portrait")
    open_, tidy, out, kind, nervous = (traits[trait] for trait in WORDS)
    width, height = round(21 + 4 * kind + chance.between(-1, 1), 1), round(27 + chance.between(-1.5, 1.5), 1)
    paper, gap = chance.index(360), chance.between(8.5, 10.5)
    half = 6 + 7 * out
    bend = round(9 * (0.65 * kind + 0.35 * out - 0.55 * nervous), 1)
    return Portrait(
        words=_words(traits),
        paper=paper,
        coat=(paper + 150 + chance.index(60)) % 360,
        skin=chance.pick(SKINS),
        hair=chance.pick(HAIRS),
        head=(width, height),
        strands=_strands(chance, width, height, curl=open_, tidy=tidy),
        left=round(50 - gap, 1),
        right=round(50 + gap, 1),
        eye=round(1.9 + 2.3 * open_, 1),
        white=round(3.6 + 0.9 * open_, 1),
        brows=(_brow(50 - gap, -1, nervous, open_), _brow(50 + gap, 1, nervous, open_)),
        mouth=f"M{50 - half:.1f} 66Q50 {66 + bend:.1f} {50 + half:.1f} 66",
        open_mouth=out > 0.66 and bend > 2,
        cheek=round(max(0.0, kind - 0.45) * 0.9, 2),
    )


def _brow(eye: float, side: int, nervous: float, open_: float) -> str:
    """Above an eye; worry lifts its inner end."""
    inner, outer = 42 - 5 * nervous - 2 * open_, 41 + 3 * nervous - 2 * open_
    return f"M{eye - side * 4.5:.1f} {inner:.1f}L{eye + side * 4.5:.1f} {outer:.1f}"


def _strands(chance: Chance, width: float, height: float, *, curl: float, tidy: float) -> list[str]:
    """From the crown outwards, left to right: combed ones lie in order."""
    count, paths = 9, []
    for i in range(count):
        angle = radians(200 + 140 * i / (count - 1))
        x, y = 50 + width * 0.92 * cos(angle), 50 + height * 0.92 * sin(angle)
        wild = (1 - tidy) * 9
        tip_x = x + 7 * cos(angle) + chance.between(-wild, wild)
        tip_y = y + 6 * sin(angle) + chance.between(-wild, wild / 2) + 3 * (1 - curl)
        bend = curl * 9 * (1 if i % 2 else -1)
        paths.append(f"M50 {50 - height * 0.55:.1f}Q{(x + 50) / 2 + bend:.1f} {y - 3:.1f} {tip_x:.1f} {tip_y:.1f}")
    return paths


def _words(traits: Mapping[str, float]) -> str:
    """What stands out, the strongest first."""
    told = sorted(
        ((abs(traits[trait] - 0.5), words[traits[trait] > HIGH]) for trait, words in WORDS.items()
         if not LOW <= traits[trait] <= HIGH),
        key=lambda pair: -pair[0],
    )  # fmt: skip
    return ", ".join(word for _, word in told) or "even-tempered"
