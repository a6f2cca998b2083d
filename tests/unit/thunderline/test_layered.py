"""The picture of what needs what."""

from __future__ import annotations

import re

from thunderline.views.layered import DOWN, HEIGHT, MARGIN, WIDTH, picture

NEEDS = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ("a", "d")}


def test_each_stands_to_the_right_of_all_that_it_needs() -> None:
    at = {box.name: box for box in picture(NEEDS).boxes}
    for name, needed in NEEDS.items():
        for other in needed:
            assert at[other].x + WIDTH < at[name].x


def test_no_two_stand_in_the_same_place_and_all_fit() -> None:
    drawn = picture(NEEDS)
    places = {(box.x, box.y) for box in drawn.boxes}
    assert len(places) == len(NEEDS)
    assert max(x for x, _ in places) + WIDTH + MARGIN == drawn.width
    assert max(y for _, y in places) + HEIGHT + MARGIN == drawn.height
    assert {y for x, y in places} == {MARGIN, MARGIN + HEIGHT + DOWN}


def test_lines_go_from_what_is_needed_to_what_needs_it() -> None:
    drawn = picture(NEEDS)
    at = {box.name: box for box in drawn.boxes}
    assert {(line.needed, line.needing) for line in drawn.lines} == {
        (other, name) for name, needed in NEEDS.items() for other in needed
    }
    for line in drawn.lines:
        numbers = [int(text) for text in re.findall(r"-?\d+", line.path)]
        assert numbers[:2] == [at[line.needed].x + WIDTH, at[line.needed].y + HEIGHT // 2]
        assert numbers[-2:] == [at[line.needing].x, at[line.needing].y + HEIGHT // 2]


def test_nothing_makes_an_empty_picture() -> None:
    drawn = picture({})
    assert (drawn.boxes, drawn.lines) == ([], [])
    assert drawn.width > 0 and drawn.height > 0
