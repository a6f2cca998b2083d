"""The socket from a page of ours: the real Phoenix client in Chromium, with who is signed in instead of a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page

from tests.phoenix import ESM, node
from tests.socket import snippet
from tests.socket.server import StartServer, WebServer, serve
from tests.socket.watching import Scene
from zones.models import Zone

__all__ = ["serve"]

pytestmark = pytest.mark.django_db(transaction=True)

RUN = """async ([source, names]) => {
    const {Socket} = await import("/phoenix.mjs")
    window.heard = []
    const heard = (name) => (payload) => window.heard.push([name, payload])
    new Function("Socket", "heard", ...Object.keys(names), source)(Socket, heard, ...Object.values(names))
}"""
WATCH = """async ([topic]) => {
    const {Socket, Presence} = await import("/phoenix.mjs")
    const socket = new Socket("/socket"); socket.connect()
    const channel = socket.channel(topic), presence = new Presence(channel)
    presence.onSync(() => { window.present = presence.list((key) => key) })
    channel.join()
}"""


@pytest.fixture
def server(serve: StartServer) -> WebServer:
    """Something that speaks WebSocket: the server of the other tests here does not."""
    node()  # only for the package that comes with it
    return serve()


Visit = Callable[[Any], Page]


@pytest.fixture
def visit(browser: Browser, server: WebServer) -> Iterator[Visit]:
    """`visit(user)` is a page of ours before somebody who is signed in; Phoenix is served beside it."""
    contexts: list[BrowserContext] = []

    def visit(user: Any) -> Page:
        # The lines are an application's, which has a policy of its own; ours would not run a text as a script.
        context = browser.new_context(base_url=server.origin, bypass_csp=True)
        contexts.append(context)
        if user is not None:
            value = server.cookies(user)["cookie"].partition("=")[2]
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": server.origin}])
        page = context.new_page()
        page.route("**/phoenix.mjs", lambda route: route.fulfill(path=ESM, content_type="text/javascript"))
        page.goto("/")
        return page

    yield visit
    for context in contexts:
        context.close()


def wait_heard(page: Page, name: str) -> Any:
    page.wait_for_function("name => window.heard.some(([heard]) => heard === name)", arg=name, timeout=10_000)
    return page.evaluate("name => window.heard.find(([heard]) => heard === name)[1]", name)


@pytest.mark.parametrize("no_token", ["undefined", "null", "empty"])
def test_an_applications_lines_run_with_a_session(visit: Visit, no_token: str) -> None:
    scene = Scene()
    agent = scene.agents[0]
    Zone.objects.filter(pk=scene.zone.pk).update(food=4.0)
    page = visit(scene.user)
    # playwright brings undefined as null: it is made here.
    made = {"undefined": "const token = undefined;", "null": "const token = null;", "empty": 'const token = "";'}
    page.evaluate(RUN, [made[no_token] + snippet.source(scene.zone.pk), {"agent_id": str(agent.pk)}])
    assert wait_heard(page, "joined")["zone"]["id"] == str(scene.zone.pk)
    assert wait_heard(page, "moved")["position"] == {"x": 10, "y": 5, "z": 0}
    assert wait_heard(page, "not consumed")["reason"] == "insufficient_resources"
    agent.refresh_from_db()
    assert (agent.x, agent.y, agent.z) == (10.0, 5.0, 0.0)


def test_two_pages_see_each_other_come_and_go(visit: Visit) -> None:
    scene = Scene()
    one, two = visit(scene.user), visit(scene.user)
    one.evaluate(WATCH, [scene.topic])
    one.wait_for_function("present => window.present?.join() === present", arg=str(scene.user.pk))
    token, agent = scene.token(scene.agents[0].pk), str(scene.agents[0].pk)
    lines = snippet.source(scene.zone.pk)
    two.evaluate(RUN, [lines, {"token": token, "agent_id": agent}])
    both = ",".join(sorted([str(scene.user.pk), agent]))
    one.wait_for_function("present => [...window.present].sort().join() === present", arg=both, timeout=10_000)
    two.close()
    one.wait_for_function("present => window.present.join() === present", arg=str(scene.user.pk), timeout=10_000)


def test_who_is_not_signed_in_is_not_let_in(visit: Visit) -> None:
    page = visit(None)
    opened = page.evaluate("""() => new Promise((resolve) => {
        const socket = new WebSocket(`ws://${location.host}/socket/websocket?vsn=2.0.0`)
        socket.onopen = () => resolve(true)
        socket.onclose = () => resolve(false)
    })""")
    assert opened is False


def test_another_site_cannot_use_a_session(visit: Visit, server: WebServer) -> None:
    page = visit(Scene().user)
    page.route("http://elsewhere.example/", lambda route: route.fulfill(body="<p>Elsewhere", content_type="text/html"))
    page.goto("http://elsewhere.example/")
    opened = page.evaluate(
        """url => new Promise((resolve) => {
            const socket = new WebSocket(url)
            socket.onopen = () => resolve(true)
            socket.onclose = () => resolve(false)
        })""",
        f"{server.url}/websocket?vsn=2.0.0",
    )
    assert opened is False
