"""Spending caps in a real PostgreSQL: what is counted, and that nobody spends more than is allowed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from agents.minds import budget
from agents.minds.budget import Amount, Ledger, Rates, Wanted
from agents.models import Spending, SpendingCap
from domains import sql
from tests.conftest import CountQueries
from tests.threads import at_once, threads, wait_for_lock

ADA, BEN, WORLD, OTHER_WORLD, LOCAL, REMOTE = (UUID(int=n) for n in range(1, 7))


def want(
    agent: UUID = ADA, world: UUID = WORLD, endpoint: UUID = LOCAL, *,
    calls: int = 1, tokens: int = 100, cost: str = "0.01", priced: bool = True,
) -> Wanted:  # fmt: skip
    return Wanted(agent, world, endpoint, Amount(calls, tokens, Decimal(cost)), priced)


def cap(scope: str, target: UUID | None, period: str, measure: str, most: str) -> None:
    SpendingCap.objects.create(scope=scope, target_id=target, period=period, measure=measure, most=Decimal(most))


def spend(*wanted: Wanted, at: datetime | None = None) -> None:
    budget.count([(at or now(), one.targets, one.most) for one in wanted])


def now() -> datetime:
    found: datetime = sql.fetch_rows("SELECT now()")[0][0]
    return found


def hour() -> datetime:
    return now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def midnight() -> datetime:
    return now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def read(*wanted: Wanted) -> Ledger:
    return budget.ledger(target for one in wanted or (want(),) for target in one.targets)


def refusal(wanted: Wanted | None = None) -> str | None:
    wanted = wanted or want()
    return read(wanted).refusal(wanted)


def rows(target: UUID) -> list[tuple[Any, ...]]:
    return list(
        Spending.objects.filter(target_id=target).order_by("hour").values_list("hour", "calls", "tokens", "cost")
    )


class TestCaps:
    pytestmark = pytest.mark.django_db

    def test_without_caps_all_is_allowed(self) -> None:
        spend(want(calls=10**6, tokens=10**9, cost="1000000"))
        assert refusal() is None
        assert read().left([("agent", ADA)]) == 1

    @pytest.mark.parametrize(("scope", "target"), [("agent", ADA), ("world", WORLD), ("endpoint", LOCAL)])
    @pytest.mark.parametrize(("measure", "most", "unit"), [
        ("calls", "3", "calls"), ("tokens", "300", "tokens"), ("cost", "0.03", "US dollars"),
    ])  # fmt: skip
    @pytest.mark.parametrize("period", ["hour", "day"])
    def test_a_cap_is_reached_to_the_last_bit_and_not_passed(
        self, scope: str, target: UUID, measure: str, most: str, unit: str, period: str
    ) -> None:
        cap(scope, target, period, measure, most)
        spend(want(), want())
        assert refusal() is None, "the third is just what is left"
        spend(want())
        assert (
            refusal() == f"the {scope}'s cap of {most} {unit} {'an' if period == 'hour' else 'a'} {period} is reached"
        )

    @pytest.mark.parametrize(
        ("scope", "target", "elsewhere"),
        [
            ("agent", ADA, want(agent=BEN)),
            ("world", WORLD, want(world=OTHER_WORLD)),
            ("endpoint", LOCAL, want(endpoint=REMOTE)),
        ],
    )
    def test_a_cap_is_for_its_target_alone(self, scope: str, target: UUID, elsewhere: Wanted) -> None:
        cap(scope, target, "hour", "calls", "1")
        spend(want())
        assert refusal()
        assert refusal(elsewhere) is None

    @pytest.mark.parametrize(
        ("scope", "elsewhere"),
        [
            ("agent", want(agent=BEN)),
            ("world", want(world=OTHER_WORLD)),
            ("endpoint", want(endpoint=REMOTE)),
        ],
    )
    def test_a_cap_for_each_of_a_scope_is_for_each_by_itself(self, scope: str, elsewhere: Wanted) -> None:
        cap(scope, None, "hour", "calls", "1")
        spend(want())
        assert refusal()
        assert refusal(elsewhere) is None
        spend(elsewhere)
        assert refusal(elsewhere)

    def test_all_caps_count_the_tightest_refuses(self) -> None:
        cap("agent", None, "day", "calls", "100")
        cap("agent", ADA, "hour", "calls", "2")
        cap("world", WORLD, "day", "tokens", "150")
        spend(want())
        assert refusal() == "the world's cap of 150 tokens a day is reached"
        assert refusal(want(tokens=50)) is None
        spend(want(tokens=50))
        assert refusal(want(tokens=0)) == "the agent's cap of 2 calls an hour is reached"
        assert refusal(want(agent=BEN, tokens=0)) is None

    def test_a_cap_of_nothing_allows_nothing(self) -> None:
        cap("agent", None, "day", "calls", "0")
        assert refusal() == "the agent's cap of 0 calls a day is reached"
        assert read().left([("agent", ADA)]) == 0

    @pytest.mark.parametrize("period", ["hour", "day"])
    def test_a_model_without_a_price_is_not_asked_under_a_cap_in_dollars(self, period: str) -> None:
        """What it costs cannot be known, so that no cap could hold."""
        cap("world", None, period, "cost", "1000")
        unpriced = want(cost="0", priced=False)
        article = "an" if period == "hour" else "a"
        why = f"its model has no price, and a cap in US dollars {article} {period} is set for the world"
        assert refusal(unpriced) == why
        assert refusal() is None

    def test_a_model_without_a_price_may_be_asked_under_other_caps(self) -> None:
        cap("agent", None, "day", "tokens", "100")
        cap("endpoint", REMOTE, "day", "cost", "1")
        assert refusal(want(cost="0", priced=False)) is None

    def test_large_caps_are_written_out(self) -> None:
        cap("agent", None, "day", "tokens", "1000000")
        assert refusal(want(tokens=1_000_001)) == "the agent's cap of 1000000 tokens a day is reached"

    def test_one_look_serves_many_who_want(self) -> None:
        """What the ones before have taken counts for those after them."""
        cap("world", WORLD, "hour", "calls", "3")
        wanted = [want(agent=UUID(int=100 + n)) for n in range(5)]
        money, allowed = read(*wanted), 0
        for one in wanted:
            if money.refusal(one) is None:
                money.take(one)
                allowed += 1
        assert allowed == 3

    def test_what_is_left_is_of_the_tightest(self) -> None:
        cap("agent", ADA, "day", "calls", "4")
        cap("world", None, "hour", "tokens", "1000")
        spend(want())
        money = read()
        assert money.left([("agent", ADA), ("world", WORLD)]) == 0.75
        assert money.left([("world", WORLD)]) == 0.9
        assert money.left([("endpoint", LOCAL)]) == 1
        spend(want(calls=20))
        assert read().left([("agent", ADA)]) == 0, "and never less than nothing"

    def test_a_ledger_costs_two_queries_whoever_asks(self, count_queries: CountQueries) -> None:
        with count_queries() as without:
            read()
        cap("agent", None, "day", "calls", "1")
        wanted = [want(agent=UUID(int=100 + n)) for n in range(200)]
        with count_queries() as few:
            read(wanted[0])
        with count_queries() as many:
            read(*wanted)
        assert (len(without), len(few), len(many)) == (1, 2, 2)


class TestTime:
    pytestmark = pytest.mark.django_db

    def test_an_hour_ends(self) -> None:
        cap("agent", ADA, "hour", "calls", "1")
        spend(want(), at=hour() - timedelta(microseconds=1))
        assert refusal() is None
        spend(want(), at=hour())
        assert refusal()

    def test_a_day_ends_at_midnight_utc(self) -> None:
        cap("agent", ADA, "day", "calls", "1")
        spend(want(), at=midnight() - timedelta(microseconds=1))
        assert refusal() is None
        spend(want(), at=midnight())
        assert refusal()

    def test_a_day_has_all_its_hours(self) -> None:
        cap("agent", ADA, "day", "calls", "3")
        spend(want(), at=midnight())
        spend(want(), at=hour())
        assert read().spent["agent", ADA]["day"].calls == 2

    def test_the_hours_are_of_utc_wherever_the_instant_is_from(self) -> None:
        """Half-hour time zones have other hours."""
        at = datetime(2026, 3, 1, 12, 40, tzinfo=UTC)
        for zone in (UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-3, minutes=-30))):
            spend(want(), at=at.astimezone(zone))
        assert [row[:2] for row in rows(ADA)] == [(datetime(2026, 3, 1, 12, tzinfo=UTC), 3)]

    def test_what_was_set_aside_before_the_hour_is_put_right_there(self) -> None:
        """A call that ends in the next hour gives back to the hour it was taken from."""
        before = hour() - timedelta(minutes=1)
        spend(want(tokens=100), at=before)
        budget.count([(before, want().targets, Amount(0, -60, Decimal("-0.004")))])
        assert rows(ADA) == [(hour() - timedelta(hours=1), 1, 40, Decimal("0.006"))]


class TestCounting:
    pytestmark = pytest.mark.django_db

    def test_it_is_counted_for_all_three(self) -> None:
        spend(want())
        for target in (ADA, WORLD, LOCAL):
            assert rows(target) == [(hour(), 1, 100, Decimal("0.01"))]

    def test_sums_are_made_in_one_statement(self, count_queries: CountQueries) -> None:
        at = now()
        with count_queries() as statements:
            spend(*[want()] * 20, *[want(agent=BEN)] * 10, at=at)
        assert len(statements) == 1
        assert [rows(target)[0][1] for target in (ADA, BEN, WORLD)] == [20, 10, 30]

    def test_nothing_costs_nothing(self, count_queries: CountQueries) -> None:
        with count_queries() as statements:
            budget.count([])
        assert statements == []

    def test_settled_it_is_what_it_came_to(self) -> None:
        cap("agent", ADA, "hour", "tokens", "150")
        spend(want(tokens=100))
        assert refusal(want(tokens=100))
        budget.count([(now(), want().targets, Amount(0, 30, Decimal("0.001")) - want(calls=0).most)])
        assert refusal(want(tokens=100)) is None
        assert rows(ADA) == [(hour(), 1, 30, Decimal("0.001"))]

    def test_billionths_add_up(self) -> None:
        spend(*[want(cost="0.000000001")] * 1000)
        assert rows(ADA)[0][3] == Decimal("0.000001")

    def test_a_cost_is_by_the_million_tokens(self) -> None:
        rates = Rates(Decimal("3"), Decimal("15"))
        assert budget.cost(rates, 1_000_000, 1_000_000) == 18
        assert budget.cost(rates, 600, 60) == Decimal("0.0027")
        assert budget.cost(Rates(Decimal("0.02"), Decimal(0)), 1, 0) == Decimal("2e-8")
        assert budget.cost(None, 10**6, 10**6) == 0

    def test_amounts_add_and_subtract(self) -> None:
        one, two = Amount(1, 10, Decimal("0.5")), Amount(3, 5, Decimal("0.25"))
        assert one + two == Amount(4, 15, Decimal("0.75"))
        assert one - two == Amount(-2, 5, Decimal("0.25"))


@pytest.mark.usefixtures("commits")
@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    """As reasoner processes do it: look, take, count, commit."""

    @staticmethod
    def take(wanted: Wanted) -> bool:
        with transaction.atomic():
            if refusal(wanted):
                return False
            spend(wanted)
            return True

    @pytest.mark.parametrize(("scope", "measure", "most"), [("agent", "calls", "3"), ("world", "cost", "0.03")])
    def test_they_cannot_overspend(self, scope: str, measure: str, most: str) -> None:
        cap(scope, None, "day", measure, most)
        taken = at_once(*[lambda: [self.take(want()) for _ in range(3)]] * 4)
        assert sum(sum(each) for each in taken) == 3
        assert rows(ADA)[0][1] == 3

    def test_the_second_waits_for_the_first(self) -> None:
        cap("world", WORLD, "hour", "calls", "1")
        has_taken, may_commit = Event(), Event()

        def first() -> None:
            with transaction.atomic():
                assert refusal() is None
                spend(want())
                has_taken.set()
                assert may_commit.wait(30)

        with threads(2) as started:
            one = started.start(first)
            assert has_taken.wait(30)
            two = started.start(self.take, want(agent=BEN))
            wait_for_lock()
            may_commit.set()
            one.result(30)
            assert two.result(30) is False

    def test_what_is_taken_back_is_free_again(self) -> None:
        """A process that dies before its commit has not asked anybody."""
        cap("agent", ADA, "hour", "calls", "1")

        class Died(Exception):
            pass

        with pytest.raises(Died), transaction.atomic():
            spend(want())
            raise Died
        assert self.take(want())

    def test_counting_in_any_order_does_not_lock_up(self) -> None:
        agents = [UUID(int=100 + n) for n in range(20)]
        wanted = [want(agent=agent, endpoint=endpoint) for agent in agents for endpoint in (LOCAL, REMOTE)]

        def count(these: list[Wanted]) -> None:
            for _ in range(10):
                with transaction.atomic():
                    spend(*these)

        at_once(lambda: count(wanted), lambda: count(wanted[::-1]), lambda: count(wanted[::3]))
        assert sum(row[1] for row in rows(WORLD)) == 10 * (40 + 40 + 14)

    def test_others_may_read_caps_meanwhile(self) -> None:
        """Pages show caps; and an operator's new cap waits for nobody."""
        cap("agent", ADA, "hour", "calls", "1")

        def look() -> int:
            SpendingCap.objects.create(scope="world", period="hour", measure="calls", most=1)
            return SpendingCap.objects.count()

        with transaction.atomic():
            assert refusal() is None
            with threads(1) as started:
                assert started.start(look).result(30) == 2
