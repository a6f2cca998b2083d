from domains.ids import new_id


def test_ids_are_version_7_and_never_twice() -> None:
    ids = [new_id() for _ in range(1000)]
    assert {each.version for each in ids} == {7}
    assert len(set(ids)) == len(ids)


def test_ids_made_together_lie_together() -> None:
    """The first 48 bits are the time: rows written one after another are neighbours in an index."""
    first, second = new_id(), new_id()
    assert 0 <= (second.int >> 80) - (first.int >> 80) < 60_000
