"""What browsers are told to refuse, on pages, in the admin, in answers to programs; and settings of production."""

import json
import os
import re
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest
from django.conf import settings
from django.templatetags.static import static
from django.test import Client
from django.urls import reverse

from tests.factories import make_world, wake_domains
from thunderline import headers
from thunderline.config import BASE_DIR

pytestmark = pytest.mark.django_db


def policy(response: Any) -> dict[str, list[str]]:
    parts = [part.split() for part in response["Content-Security-Policy"].split(";")]
    return {name: values for name, *values in parts}


@pytest.fixture
def pages(as_operator: Client) -> list[str]:
    wake_domains()
    world = make_world(agents=1, zones=1)
    (zone,), (agent,) = world.zones.all(), world.agents.all()
    return ["/", f"/zones/{zone.pk}/", f"/agents/{agent.pk}/", reverse("password_change"), "/nowhere/"]


def test_pages_run_no_script_but_ours(as_operator: Client, pages: list[str]) -> None:
    for page in pages:
        response = as_operator.get(page)
        said = policy(response)
        assert said["default-src"] == ["'none'"] and said["script-src"] == ["'self'"]
        assert said["style-src"] == ["'self'"] and said["frame-ancestors"] == ["'none'"]
        assert said["base-uri"] == ["'none'"] and said["form-action"] == ["'self'"]
        assert "unsafe" not in response["Content-Security-Policy"] and "*" not in response["Content-Security-Policy"]


def test_pages_hold_nothing_that_the_policy_refuses(as_operator: Client, client: Client, pages: list[str]) -> None:
    for page in [*pages, "/login/"]:
        html = (Client() if page == "/login/" else as_operator).get(page).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", html), page
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|\shx-on", html), page


def test_the_admin_has_its_own_policy(as_operator: Client, pages: list[str]) -> None:
    changed = reverse("admin:zones_zone_change", args=[pages[1].split("/")[2]])
    for page in ("/admin/", reverse("admin:zones_world_changelist"), changed, reverse("admin:thundergate_apikey_add"),
                 reverse("admin:django_celery_beat_periodictask_add")):  # fmt: skip
        response = as_operator.get(page)
        assert response.status_code == 200
        assert policy(response)["script-src"] == ["'self'", "'unsafe-eval'"]
        assert policy(response)["default-src"] == ["'none'"] and policy(response)["frame-ancestors"] == ["'none'"]
        inline = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", response.content.decode())
        assert not inline, (page, inline)
        assert not re.search(r"\son(click|change|load|submit|error)=", response.content.decode()), page


def test_what_is_no_page_may_do_nothing(client: Client) -> None:
    for response in (client.get("/health"), client.post("/api/v1/token")):
        assert policy(response)["default-src"] == ["'none'"]


def test_the_other_headers_are_on_everything(client: Client, as_operator: Client) -> None:
    for response in (client.get("/login/"), as_operator.get("/"), client.get("/health"), client.get("/nowhere/"),
                     client.post("/api/v1/token"), as_operator.get("/admin/")):  # fmt: skip
        for name, value in headers.OTHERS.items():
            assert response[name] == value
        assert response["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "camera=()" in response["Permissions-Policy"]
        assert "no-store" in response["Cache-Control"]
    with closing(client.get(static("thunderline/pages.css"))) as styles:
        assert "no-store" not in styles["Cache-Control"]


def test_a_response_may_say_otherwise_itself(rf: Any) -> None:
    from django.http import HttpResponse

    def view(request: Any) -> HttpResponse:
        return HttpResponse("x", headers={"Content-Security-Policy": "default-src 'self'"})

    response = headers.HeadersMiddleware(view)(rf.get("/api/docs"))
    assert response["Content-Security-Policy"] == "default-src 'self'"


def test_a_socket_elsewhere_may_be_reached() -> None:
    said = headers.policy(headers.PAGES, sockets="wss://example.org", upgrade=True)
    assert "connect-src 'self' wss://example.org;" in said
    assert said.endswith("upgrade-insecure-requests")


PRODUCTION = {
    "THUNDERLINE_HTTPS": "true", "THUNDERLINE_DEBUG": "false", "THUNDERLINE_ALLOWED_HOSTS": "example.org",
    "THUNDERLINE_SECRET_KEY": "correct-horse-battery-staple-0123456789-abcdefghij-XYZ", "THUNDERLINE_PROXIES": "1",
    "THUNDERLINE_TRUSTED_ORIGINS": "https://example.org",
}  # fmt: skip


def in_production(*words: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | PRODUCTION | {"DATABASE_URL": settings.DATABASE_URL, "REDIS_URL": settings.REDIS_URL}
    command = [sys.executable, "-W", "error::UserWarning", *words]
    return subprocess.run(command, env=environ, cwd=BASE_DIR, capture_output=True, text=True, timeout=100, check=False)


def test_production_settings_pass_djangos_checks() -> None:
    done = in_production("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no issues" in done.stdout


SECURE = """
import django, json
django.setup()
from django.test import Client
client = Client(SERVER_NAME="example.org")
plain = client.get("/login/")
page = client.get("/login/", secure=True)
proxied = client.get("/login/", headers={"x-forwarded-proto": "https"})
cookie = page.cookies["csrftoken"]
from django.conf import settings
print(json.dumps({"plain": [plain.status_code, plain["Location"]], "page": dict(page.headers),
                  "status": page.status_code,
                  "proxied": proxied.status_code, "secure": bool(cookie["secure"]), "same": cookie["samesite"],
                  "session": settings.SESSION_COOKIE_NAME, "flags": [settings.SESSION_COOKIE_SECURE,
                  settings.SESSION_COOKIE_HTTPONLY]}))
"""


def test_over_tls() -> None:
    """Plain requests are sent on, browsers told to come back over TLS only, cookies kept to it."""
    done = in_production("-c", "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'thunderline.settings'\n" + SECURE)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["plain"] == [301, "https://example.org/login/"]
    assert (said["status"], said["proxied"], said["secure"], said["same"]) == (200, 200, True, "Lax")
    assert (said["session"], said["flags"]) == ("__Host-sessionid", [True, True])
    assert said["page"]["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert said["page"]["Content-Security-Policy"].endswith("upgrade-insecure-requests")
