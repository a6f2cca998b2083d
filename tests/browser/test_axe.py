"""That what keeps people out is found and told, under a policy that lets no script of others in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser import axe

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_keeps_people_out_is_told_with_its_place(page: Page, accessible: Callable[[], None]) -> None:
    page.goto("/login/")
    accessible()
    page.evaluate("document.querySelector('label[for=id_username]').remove()")
    with pytest.raises(AssertionError, match=r"critical: Form elements must have labels(.|\n)+#id_username"):
        accessible()


def test_the_policy_of_the_page_stays_in_force(context: BrowserContext) -> None:
    tab = context.new_page()  # what is refused is an error in its console
    tab.goto("/login/")
    assert axe.violations(tab) == []
    refused = tab.evaluate("""() => new Promise((resolve) => {
        document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective))
        const script = document.createElement("script")
        script.textContent = "window.ran = true"
        document.body.append(script)
    })""")
    assert refused == "script-src-elem"
    assert tab.evaluate("window.ran === undefined")
