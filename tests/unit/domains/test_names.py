from __future__ import annotations

import re

import pytest

from domains import names

HIDING = ["\0", "\t", "\n", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069"]


@pytest.mark.parametrize("name", ["Ada", "Ädå 7", "愛", "שרה", "می‌خواهم", "👩‍🚀", "a-b_c.d"])
def test_names_that_people_have(name: str) -> None:
    assert names.plain(name) == name and re.fullmatch(names.PATTERN, name)


@pytest.mark.parametrize("hiding", HIDING)
def test_nothing_hides_in_a_name(hiding: str) -> None:
    for name in (f"Ada{hiding}", f"{hiding}Ada", f"A{hiding}da"):
        assert not re.fullmatch(names.PATTERN, name)
        with pytest.raises(ValueError, match=f"U\\+{ord(hiding):04X}"):
            names.plain(name)
