"""Signing in with a lock-out, and passwords: changed, forgotten, chosen anew."""

import re
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.thundergate import addresses, logins, tokens
from tests.factories import make_user
from tests.factories.people import PASSWORD

pytestmark = pytest.mark.django_db
NEW = "a quite different password 7"


@pytest.fixture
def ada() -> Any:
    return make_user("ada", email="ada@example.org")


def sign_in(client: Client, password: str, name: str = "ada", address: str = "10.0.0.1", page: str = "login") -> Any:
    return client.post(reverse(page), {"username": name, "password": password}, REMOTE_ADDR=address)


# --- Lock-out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["login", "admin:login"])
def test_after_some_failures_a_name_waits_where_they_came_from(ada: Any, settings: Any, page: str) -> None:
    ada.is_staff = True
    ada.save()
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        assert sign_in(Client(), "wrong", page=page).status_code == 200
    locked = sign_in(Client(), "wrong", page=page)
    assert locked.status_code == 429
    assert locked["Retry-After"] == str(settings.CONFIG.login_wait_s)
    assert "Try again in 15 minutes" in locked.content.decode()
    assert sign_in(Client(), PASSWORD, page=page).status_code == 429  # the right one, too
    assert sign_in(Client(), PASSWORD, address="10.0.0.2", page=page).status_code == 302  # she elsewhere is not
    assert sign_in(Client(), "wrong", name="bob", page=page).status_code == 200  # nor is somebody else there
    AccessAttempt.objects.update(attempt_time=timezone.now() - settings.AXES_COOLOFF_TIME - timedelta(seconds=5))
    assert sign_in(Client(), PASSWORD, page=page).status_code == 302


def test_a_success_forgets_the_failures(ada: Any, settings: Any) -> None:
    for _ in range(3):
        for _ in range(settings.AXES_FAILURE_LIMIT - 1):
            assert sign_in(Client(), "wrong").status_code == 200
        assert sign_in(Client(), PASSWORD).status_code == 302


def test_failures_are_swept_and_hold_no_password(ada: Any, settings: Any) -> None:
    sign_in(Client(), "hunter2hunter2")
    assert "hunter2" not in str(AccessAttempt.objects.values().get())
    assert logins.sweep() == 0
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(days=2))
    assert logins.sweep() == 1


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "found"),
    [
        (0, "10.0.0.1", "1.2.3.4", "10.0.0.1"),
        (1, "10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (2, "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4"),
        (2, "10.0.0.1", "1.2.3.4", "10.0.0.1"),
        (1, "10.0.0.1", "", "10.0.0.1"),
        (1, "10.0.0.1", "nonsense", ""),
        (1, "::1", "2001:db8::7", "2001:db8::7"),
        (0, "", "", ""),
    ],
)
def test_only_named_proxies_are_believed(
    settings: Any, rf: Any, proxies: int, peer: str, forwarded: str, found: str
) -> None:
    settings.PROXIES = proxies
    request = rf.get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
    assert addresses.client(request) == found
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", forwarded.encode())]}
    assert addresses.of_scope(scope) == found


# --- Passwords -----------------------------------------------------------------------------------------------


def test_a_password_is_changed_and_what_came_by_the_old_one_is_out(ada: Any) -> None:
    here, there = Client(), Client()
    here.force_login(ada)
    there.force_login(ada)
    token = tokens.issue(ada, by="user:ada")
    page = reverse("password_change")
    wrong = here.post(page, {"old_password": "x", "new_password1": NEW, "new_password2": NEW})
    assert wrong.status_code == 200 and "incorrectly" in wrong.content.decode()
    weak = here.post(page, {"old_password": PASSWORD, "new_password1": "12345", "new_password2": "12345"})
    assert "too short" in weak.content.decode()
    done = here.post(page, {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW})
    assert done.status_code == 302
    assert there.get("/").status_code == 302
    assert ["Your password is changed." in here.get("/").content.decode() for _ in range(2)] == [True, False]
    with pytest.raises(tokens.TokenRevoked):
        tokens.read(token)
    ada.refresh_from_db()
    assert ada.check_password(NEW)


def test_strangers_change_nothing(ada: Any) -> None:
    assert Client().get(reverse("password_change")).status_code == 302
    unasked = Client(enforce_csrf_checks=True).post(reverse("password_reset"), {"email": "ada@example.org"})
    assert unasked.status_code == 403 and mail.outbox == []


def ask(address: str) -> None:
    response = Client().post(reverse("password_reset"), {"email": address}, follow=True)
    assert "Look into your mail" in response.content.decode()


def test_a_forgotten_password_is_chosen_anew_once(ada: Any) -> None:
    token = tokens.issue(ada, by="user:ada")
    ask("nobody@example.org")
    assert mail.outbox == []
    ask("ada@example.org")
    (sent,) = mail.outbox
    assert sent.to == ["ada@example.org"] and "ada" in sent.body and "hour" in sent.body
    link = re.search(r"http://testserver(/\S+)", sent.body)
    assert link is not None
    client = Client()
    opened = client.get(link[1], follow=True)
    assert "Choose a new password" in opened.content.decode()
    form = opened.redirect_chain[-1][0]
    assert client.post(form, {"new_password1": NEW, "new_password2": NEW}).status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    with pytest.raises(tokens.TokenRevoked):
        tokens.read(token)
    assert "used before" in Client().get(link[1], follow=True).content.decode()
    assert "used before" in Client().get(link[1][:-3] + "xx/", follow=True).content.decode()


def test_without_mail_it_is_said_what_to_do() -> None:
    page = Client().get(reverse("password_reset")).content.decode()
    assert "manage.py changepassword" in page and 'method="post"' not in page
