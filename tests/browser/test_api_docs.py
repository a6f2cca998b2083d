"""The page that shows REST: Swagger UI from this server, under a policy that lets nothing else in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Request, expect

from tests.factories import make_user, wake_domains


def test_the_document_is_shown_and_tried_out_by_who_is_signed_in(
    page: Page, site: Any, sign_in: Callable[[str], None], transactional_db: None
) -> None:
    wake_domains()
    make_user("operator", operator=True)
    sign_in("operator")
    elsewhere: list[str] = []
    page.on("request", lambda request: _note(request, site.url, elsewhere))
    page.goto("/api/docs")
    expect(page.get_by_text("Make an agent", exact=True)).to_be_visible()
    place = page.locator("#operations-worlds-worlds_create")
    place.get_by_text("Make a world", exact=True).click()
    place.locator("textarea").fill('{"name": "Harbour"}')
    place.get_by_role("button", name="Execute").click()
    expect(place.locator(".live-responses-table .response-col_status").last).to_contain_text("201")
    expect(place.locator(".live-responses-table")).to_contain_text("Harbour")
    assert elsewhere == []


def _note(request: Request, here: str, elsewhere: list[str]) -> None:
    if not request.url.startswith((here, "data:", "about:", "blob:")):
        elsewhere.append(request.url)
