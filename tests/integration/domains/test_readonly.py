import pytest
from django.contrib import admin
from django.test import RequestFactory

from domains.readonly import EstimatedPaginator, Log
from domains.thundergate.models import ApiKey, MemoryGrant, User
from domains.thunderlink.models import HeartbeatTick
from tests.factories.worlds import make_world
from zones.models import Zone

pytestmark = pytest.mark.django_db

ISSUED = {ApiKey, MemoryGrant}
"""Made by a form, and history from then on."""


def test_history_cannot_be_written_by_anybody() -> None:
    logs = [each for each in admin.site._registry.values() if isinstance(each, Log)]
    assert len(logs) >= 4
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True)
    for each in logs:
        assert not each.has_add_permission(request) or each.model in ISSUED
        assert not each.has_change_permission(request)
        assert not each.has_delete_permission(request)
        assert each.show_full_result_count is False


def test_small_tables_are_counted_exactly() -> None:
    make_world(zones=3, agents=0)
    assert EstimatedPaginator(Zone.objects.order_by("ordinal"), 2).count == 3
    assert EstimatedPaginator(Zone.objects.filter(ordinal__gte=1).order_by("ordinal"), 2).count == 2
    assert EstimatedPaginator(HeartbeatTick.objects.order_by("slot"), 2).count == 0


def test_large_ones_are_the_planner_s_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page counts millions: beyond the limit, no row is read."""
    make_world(zones=3, agents=0)
    monkeypatch.setattr(EstimatedPaginator, "EXACT_BELOW", -1)
    rows = Zone.objects.order_by("ordinal")
    guess = EstimatedPaginator(rows, 2).count
    assert isinstance(guess, int)
    assert guess >= 1
