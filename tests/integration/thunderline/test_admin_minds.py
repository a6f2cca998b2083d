"""The admin of minds: secrets go in and never out, words get versions, one may stop it all, and sees what it cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents import actions
from agents.errors import Invalid, NotFound
from agents.minds import endpoints, hints, prompts
from domains.ids import new_id
from domains.thunderblock import guards
from tests.conftest import CountQueries
from tests.factories import beat, make_user, make_world, wake_domains

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


def model(name: str) -> Any:
    return apps.get_model("agents", name)


def address(name: str, page: str = "changelist", *args: object) -> str:
    return reverse(f"admin:agents_{name.lower()}_{page}", args=args)


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def act(client: Client, name: str, action: str, *chosen: Any) -> list[str]:
    data = {"action": action, "_selected_action": [str(row.pk) for row in chosen]}
    response = client.post(address(name), data)
    assert response.status_code == 302
    return said(response)[-1:]


def saved(response: Any) -> Any:
    assert response.status_code == 302, response.context["adminform"].form.errors
    return response


def errors(response: Any) -> Any:
    assert response.status_code == 200
    return response.context["adminform"].form.errors


def told() -> list[tuple[str, str, str]]:
    """What was published of minds: what, detail, by whom."""
    found = apps.get_model("thunderflow.Event").objects.filter(topic="system.minds_changed").order_by("position")
    return [(event.payload["what"], event.payload["detail"], event.actor) for event in found]


@pytest.fixture(autouse=True)
def alive(as_operator: Client) -> None:
    wake_domains()
    beat()


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Grows with each word to the reasoners."""
    words: list[bool] = []
    monkeypatch.setattr(hints, "wake", lambda: words.append(True))
    return words


ENDPOINT = {
    "name": "local", "base_url": "http://ollama:11434/v1", "model": "qwen", "tier": "cheap", "structured": "schema",
    "enabled": "on", "timeout_s": 30, "max_tries": 3, "max_in_flight": 10, "max_tokens": 500,
}  # fmt: skip


def make_endpoint(name: str = "local", **fields: Any) -> Any:
    return model("Endpoint").objects.create(
        name=name, **{"base_url": "http://x/v1", "model": "m", "api_key": "sk-old", **fields}
    )


def make_call(agent: Any, endpoint: Any, **fields: Any) -> Any:
    given = {
        "id": new_id(), "agent_id": agent.pk, "world_id": agent.world_id, "endpoint_id": endpoint.pk,
        "model": endpoint.model, "tick_number": 4, "asked_tick": 4, "attempt": 1, "template_version": 0,
        "request_hash": "ab" * 32, "request": {"model": "m", "messages": [{"role": "system", "content": "You <are>"}]},
        "answer": '{"action":"rest"}', "status": "answered", "started_at": timezone.now(),
    }  # fmt: skip
    return model("ModelCall").objects.create(**(given | fields))


# --- Endpoints -----------------------------------------------------------------------------------------------


def test_a_key_goes_in_and_never_comes_out(as_operator: Client, woken: list[bool]) -> None:
    saved(as_operator.post(address("Endpoint", "add"), ENDPOINT | {"key": "sk-very-secret"}))
    endpoint = model("Endpoint").objects.get()
    assert endpoint.api_key.reveal() == "sk-very-secret"
    form = address("Endpoint", "change", endpoint.pk)
    for url in (form, address("Endpoint"), address("Endpoint", "history", endpoint.pk)):
        page = as_operator.get(url).content.decode()
        assert "sk-very-secret" not in page
        assert endpoint.api_key.token not in page
    assert "There is a key. Leave this empty to keep it." in as_operator.get(form).content.decode()
    assert told() == [("endpoint_added", "local", "user:operator")]
    assert woken == [True]


def test_a_key_is_kept_changed_and_removed(as_operator: Client) -> None:
    endpoint = make_endpoint()
    form = address("Endpoint", "change", endpoint.pk)
    saved(as_operator.post(form, ENDPOINT | {"key": "", "model": "other"}))
    endpoint.refresh_from_db()
    assert (endpoint.api_key.reveal(), endpoint.model) == ("sk-old", "other")
    assert "forget_key" in errors(as_operator.post(form, ENDPOINT | {"key": "sk-new", "forget_key": "on"}))
    saved(as_operator.post(form, ENDPOINT | {"key": "sk-new"}))
    endpoint.refresh_from_db()
    assert endpoint.api_key.reveal() == "sk-new"
    saved(as_operator.post(form, ENDPOINT | {"key": "", "forget_key": "on"}))
    endpoint.refresh_from_db()
    assert not endpoint.api_key


def test_a_wrong_form_does_not_send_the_key_back(as_operator: Client) -> None:
    response = as_operator.post(address("Endpoint", "add"), ENDPOINT | {"key": "sk-typed", "name": "a,b"})
    assert "comma" in str(errors(response)["name"])
    assert "sk-typed" not in response.content.decode()


@pytest.mark.parametrize(
    "wrong",
    ["ftp://x/v1", "x/v1", "http://", "file:///etc/passwd", "http://u:p@x/v1", "http://x/v1?k=1", "http://x:99999/",
     "http://x y/v1", "javascript:alert(1)"],
)  # fmt: skip
def test_an_address_is_one_of_the_web(as_operator: Client, wrong: str) -> None:
    assert "base_url" in errors(as_operator.post(address("Endpoint", "add"), ENDPOINT | {"base_url": wrong}))
    assert not model("Endpoint").objects.exists()


def test_an_edit_leaves_the_breaker_and_the_breaker_is_reset(as_operator: Client, woken: list[bool]) -> None:
    until = timezone.now() + timedelta(minutes=2)
    endpoint = make_endpoint(rests_until=until, last_error="503 <overloaded>")
    saved(as_operator.post(address("Endpoint", "change", endpoint.pk), ENDPOINT | {"model": "other"}))
    endpoint.refresh_from_db()
    assert endpoint.rests_until == until
    page = as_operator.get(address("Endpoint")).content.decode()
    assert f"resting until {timezone.localtime(until):%H:%M:%S}" in page
    assert "503 &lt;overloaded&gt;" in page
    woken.clear()
    assert act(as_operator, "Endpoint", "try_again", endpoint) == ["local is asked again from now on."]
    endpoint.refresh_from_db()
    assert endpoint.rests_until is None
    assert told()[-1] == ("breaker_reset", "local", "user:operator")
    assert woken == [True]
    with pytest.raises(NotFound):
        actions.reset_breaker(new_id(), by="user:ada")


def test_nothing_is_changed_while_the_domain_rests_but_calls_can_be_stopped(as_operator: Client) -> None:
    until = timezone.now() + timedelta(minutes=2)
    endpoint = make_endpoint(rests_until=until)
    apps.get_model("thunderblock.ActiveDomain").objects.filter(domain_name="thunderpac").update(status="inactive")
    guards.forget()
    assert act(as_operator, "Endpoint", "try_again", endpoint) == ["thunderpac is not active: inactive"]
    as_operator.post(address("Endpoint", "change", endpoint.pk), ENDPOINT | {"model": "other"})
    endpoint.refresh_from_db()
    assert (endpoint.rests_until, endpoint.model) == (until, "m")
    as_operator.post(address("Switch", "stop"), {"reason": "smoke"})
    assert model("Switch").objects.get().calls_allowed is False


# --- Prices and caps -----------------------------------------------------------------------------------------


def test_prices_are_written_without_idle_zeros(as_operator: Client) -> None:
    saved(as_operator.post(address("Price", "add"), {"model": "m", "prompt": "0.15", "completion": "2"}))
    price = model("Price").objects.get()
    assert "$0.15" in as_operator.get(address("Price")).content.decode()
    form = as_operator.get(address("Price", "change", price.pk)).content.decode()
    assert 'value="0.15"' in form
    assert 'value="2"' in form
    assert "prompt" in errors(as_operator.post(address("Price", "add"), {"model": "n", "prompt": -1, "completion": 1}))
    as_operator.post(address("Price", "delete", price.pk), {"post": "yes"})
    assert [what for what, *_ in told()] == ["price_added", "price_removed"]


CAP = {"period": "day", "measure": "cost", "most": "1.5"}


def test_a_caps_target_is_given_by_name_or_id(as_operator: Client) -> None:
    harbour, island = make_world(agents=1), make_world("Island", agents=1)
    endpoint = make_endpoint()
    caps, add = model("SpendingCap"), address("SpendingCap", "add")
    for scope, target, wanted in (
        ("endpoint", "local", endpoint.pk),
        ("world", "Harbour", harbour.pk),
        ("world", str(island.pk), island.pk),
        ("agent", str(harbour.agents.get().pk), harbour.agents.get().pk),
        ("agent", "Agent 0 in Island", island.agents.get().pk),
        ("agent", "", None),
    ):
        saved(as_operator.post(add, CAP | {"scope": scope, "target": target}))
        assert caps.objects.latest("id").target_id == wanted
    page = as_operator.get(address("SpendingCap")).content.decode()
    for name in ("local", "Harbour", "Island", "Agent 0", "each agent", "$1.5"):
        assert name in page
    for scope, target, reason in (
        ("endpoint", "nope", "there is no endpoint"), ("world", "nope", "there is no world"),
        ("agent", "nope", "there is no agent"), ("agent", "Agent 0", "several worlds"),
        ("world", str(new_id()), "there is no world"),
    ):  # fmt: skip
        assert reason in str(errors(as_operator.post(add, CAP | {"scope": scope, "target": target}))["target"])


def test_a_caps_form_leads_back_to_its_target(as_operator: Client) -> None:
    world = make_world(agents=1)
    cap = model("SpendingCap").objects.create(scope="agent", target_id=world.agents.get().pk, most=Decimal(1))
    form = address("SpendingCap", "change", cap.pk)
    assert 'value="Agent 0"' in as_operator.get(form).content.decode()
    make_world("Island", agents=1)  # now the name alone would not do
    assert f'value="{cap.target_id}"' in as_operator.get(form).content.decode()
    saved(as_operator.post(form, CAP | {"scope": "agent", "target": str(cap.target_id), "most": "7"}))
    before = cap.target_id
    cap.refresh_from_db()
    assert (cap.target_id, cap.most) == (before, 7)
    saved(as_operator.post(form, CAP | {"scope": "agent", "target": ""}))
    cap.refresh_from_db()
    assert cap.target_id is None


def test_there_is_one_cap_of_a_kind(as_operator: Client) -> None:
    add = address("SpendingCap", "add")
    saved(as_operator.post(add, CAP | {"scope": "world", "target": ""}))
    assert errors(as_operator.post(add, CAP | {"scope": "world", "target": ""}))
    assert model("SpendingCap").objects.count() == 1


# --- The record ----------------------------------------------------------------------------------------------


def spend(scope: str, target: Any, hour: datetime, **amounts: Any) -> None:
    model("Spending").objects.create(scope=scope, target_id=target, hour=hour, **amounts)


def test_the_lists_begin_with_what_was_spent(as_operator: Client) -> None:
    agent, endpoint, gone = make_world(agents=1).agents.get(), make_endpoint(), new_id()
    hour = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    spend("endpoint", endpoint.pk, hour, calls=3, tokens=1200, cost=Decimal("0.25"))
    spend("endpoint", gone, hour, calls=1, tokens=10, cost=Decimal("0.5"))
    spend("endpoint", endpoint.pk, hour - timedelta(days=1), calls=900, tokens=900, cost=Decimal(900))
    spend("agent", agent.pk, hour, calls=4, tokens=1210, cost=Decimal("0.75"))
    for name in ("Spending", "ModelCall"):
        response = as_operator.get(address(name))
        totals = {total.name: total for total in response.context["totals"]}
        assert totals["local"].calls == ("3", "3")
        assert totals["local"].tokens == ("1\u202f200", "1\u202f200")
        assert totals[f"gone ({gone})"].cost == ("$0.5", "$0.5")
        assert totals["All endpoints"].cost == ("$0.75", "$0.75")
        assert "All endpoints" in response.content.decode()
    page = as_operator.get(address("Spending")).content.decode()
    assert "Agent 0" in page
    assert "$900" in page
    assert "$900" not in as_operator.get(address("Spending"), {"when": "hour"}).content.decode()
    assert "Agent 0" not in as_operator.get(address("Spending"), {"scope__exact": "endpoint"}).content.decode()


def test_calls_are_shown_found_and_read(as_operator: Client) -> None:
    world, endpoint = make_world(agents=2), make_endpoint()
    one, two = world.agents.order_by("ordinal")
    call = make_call(one, endpoint, cost=Decimal("0.000214"), prompt_tokens=812, completion_tokens=64, ms=812.4)
    make_call(two, endpoint, status="failed", error_class="transient", request_hash="cd" * 32)
    orphan = make_call(two, endpoint, agent_id=new_id())
    page = as_operator.get(address("ModelCall")).content.decode()
    for wanted in ("Agent 0", "Agent 1", "transient", "$0.000214", "812 + 64", f"gone ({orphan.agent_id})"):
        assert wanted in page
    for q, found in (("Agent 0", 1), ("cd" * 32, 1), ("agent 0", 0), ("nobody", 0)):
        assert len(as_operator.get(address("ModelCall"), {"q": q}).context["cl"].result_list) == found
    assert len(as_operator.get(address("ModelCall"), {"status__exact": "failed"}).context["cl"].result_list) == 1
    detail = as_operator.get(address("ModelCall", "change", call.pk)).content.decode()
    assert "You &lt;are&gt;" in detail
    assert "&quot;action&quot;: &quot;rest&quot;" in detail
    assert as_operator.post(address("ModelCall", "change", call.pk), {}).status_code == 403
    detail = as_operator.get(address("ModelCall", "change", orphan.pk)).content.decode()
    assert f"gone ({orphan.agent_id})" in detail


def test_lists_cost_the_same_for_few_rows_and_for_many(as_operator: Client, count_queries: CountQueries) -> None:
    world = make_world(agents=20)
    made = list(world.agents.all())
    process = model("ReasonerProcess").objects.create(id=new_id(), node="n", pid=1, seen_at=timezone.now())

    def grow(n: int) -> dict[str, int]:
        for agent in made[:n]:
            endpoint = make_endpoint(f"e{agent.ordinal}-{n}")
            call = make_call(agent, endpoint)
            hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=n)
            spend("agent", agent.pk, hour)
            spend("endpoint", endpoint.pk, hour)
            actions.send(agent.pk, "Hello", by="user:ada")
            model("SpendingCap").objects.create(scope="endpoint", target_id=endpoint.pk, most=Decimal(1))
            given = {"asked_tick": 1, "call_id": call.pk, "holder": process.pk, "expires_at": timezone.now()}
            model("Thought").objects.update_or_create(agent=agent, defaults=given)
        found = {}
        for name in ("Endpoint", "SpendingCap", "Spending", "ModelCall", "Thought", "Message"):
            as_operator.get(address(name))
            with count_queries() as statements:
                assert as_operator.get(address(name)).status_code == 200
            found[name] = len(statements)
        return found

    assert grow(2) == grow(20)


def test_who_is_asked_just_now_is_shown(as_operator: Client) -> None:
    agent, now = make_world(agents=1).agents.get(), timezone.now()
    process = model("ReasonerProcess").objects.create(id=new_id(), node="harbour", pid=4711, seen_at=now)
    silent = now - timedelta(minutes=1)
    model("ReasonerProcess").objects.create(id=new_id(), node="island", pid=1, seen_at=silent)
    thought = model("Thought").objects.create(agent=agent, asked_tick=3, holder=process.pk, expires_at=now)
    page = as_operator.get(address("Thought")).content.decode()
    assert "harbour:4711" in page
    assert "not yet" in page
    assert as_operator.get(address("Thought", "change", thought.pk)).status_code == 200
    page = as_operator.get(address("ReasonerProcess")).content.decode()
    assert "alive" in page
    assert "silent" in page


def test_messages_are_listed_found_and_only_shown(as_operator: Client) -> None:
    world = make_world(agents=2)
    one, two = world.agents.order_by("ordinal")
    message = actions.send(one.pk, "<b>Hello</b>", by="user:ada")
    actions.send(two.pk, "You there", by="user:bob", speaker_id=one.pk)
    page = as_operator.get(address("Message")).content.decode()
    assert "&lt;b&gt;Hello" in page
    assert "<b>Hello" not in page
    for q, found in (("agent:Agent 0", 2), ("user:ada", 1), (str(message.conversation), 1), ("Agent", 0), ("\0", 2)):
        assert len(as_operator.get(address("Message"), {"q": q}).context["cl"].result_list) == found, q
    assert as_operator.get(address("Message", "change", message.pk)).status_code == 200
    assert as_operator.get(address("Message", "add")).status_code == 403
    assert as_operator.post(address("Message", "delete", message.pk), {"post": "yes"}).status_code == 403


# --- Words ---------------------------------------------------------------------------------------------------

WORDS = {"system": "You are {{ name }}.", "user": "It is tick {{ tick }}.", "note": "shorter"}


def versions() -> dict[int, bool]:
    return dict(model("PromptTemplate").objects.values_list("version", "active"))


def test_saving_words_writes_the_next_version(as_operator: Client, woken: list[bool]) -> None:
    add = address("PromptTemplate", "add")
    shipped = prompts.shipped()
    assert as_operator.get(add).context["adminform"].form.initial["user"] == shipped.user
    response = saved(as_operator.post(add, WORDS))
    assert said(response)[-1] == "Version 1 is written and in use."
    first = model("PromptTemplate").objects.get()
    assert (first.version, first.active, first.author, first.note) == (1, True, "user:operator", "shorter")
    assert woken == [True]

    form = address("PromptTemplate", "change", first.pk)
    page = as_operator.get(form)
    assert page.context["adminform"].form.initial["note"] == ""
    saved(as_operator.post(form, WORDS | {"user": "Now it is {{ tick }}.\r\nSo.", "note": ""}))
    first.refresh_from_db()
    assert first.user == "It is tick {{ tick }}."
    assert versions() == {1: False, 2: True}
    assert endpoints.words() == prompts.Words(2, "You are {{ name }}.", "Now it is {{ tick }}.\nSo.")
    assert as_operator.get(add).context["adminform"].form.initial["system"] == "You are {{ name }}."
    assert told() == [
        ("prompt_written", "version 1: shorter", "user:operator"), ("prompt_written", "version 2", "user:operator"),
    ]  # fmt: skip
    assert as_operator.post(address("PromptTemplate", "delete", first.pk), {"post": "yes"}).status_code == 403


def test_an_older_version_is_used_again_and_so_is_the_shipped_one(as_operator: Client) -> None:
    for _ in range(3):
        actions.write_prompt("You are {{ name }}.", "Tick {{ tick }}.", by="user:ada", note="")
    first, second = model("PromptTemplate").objects.order_by("version")[:2]
    assert act(as_operator, "PromptTemplate", "use_again", first) == ["Version 1 is in use."]
    assert versions() == {1: True, 2: False, 3: False}
    assert act(as_operator, "PromptTemplate", "use_again", first, second)[0].startswith("Choose one version")
    assert "version 1" in as_operator.get(address("PromptTemplate")).content.decode()
    assert as_operator.get(address("PromptTemplate", "shipped")).status_code == 405
    as_operator.post(address("PromptTemplate", "shipped"))
    assert endpoints.words() == prompts.shipped()
    assert told()[-1] == ("prompt_used", "version 0", "user:operator")
    with pytest.raises(NotFound):
        actions.use_prompt(9, by="user:ada")


@pytest.mark.parametrize(
    ("part", "words", "reason"),
    [
        ("user", "{{ tick", "line 1"),
        ("system", "{{ secrets }}", "secrets"),
        ("user", "{% for m in messages %}{{ m.number + 'x' }}{% endfor %}", "TypeError"),
        ("system", "{{ name.__class__.__mro__ }}", "unsafe"),
        ("user", " ", ""),
        ("user", "x" * 20_001, "20,000"),
    ],
)
def test_words_that_do_not_come_out_are_refused(as_operator: Client, part: str, words: str, reason: str) -> None:
    wrong = errors(as_operator.post(address("PromptTemplate", "add"), WORDS | {part: words}))
    assert list(wrong) == [part]
    assert reason in str(wrong[part])
    with pytest.raises(Invalid):
        actions.write_prompt(**(WORDS | {part: words}), by="user:ada")
    assert versions() == {}


# --- The switch ----------------------------------------------------------------------------------------------


def test_calls_are_stopped_with_a_reason_and_allowed_again(as_operator: Client, woken: list[bool]) -> None:
    assert "Models may be called" in as_operator.get(address("Switch")).content.decode()
    assert said(as_operator.post(address("Switch", "stop"), {"reason": " "}))[-1].startswith("reason")
    assert said(as_operator.post(address("Switch", "stop"), {"reason": "x" * 201}))[-1].startswith("reason")
    as_operator.post(address("Switch", "stop"), {"reason": "<b>too dear</b>"})
    page = as_operator.get(address("Switch")).content.decode()
    assert "All model calls are stopped" in page
    assert "&lt;b&gt;too dear&lt;/b&gt;" in page
    assert endpoints.read().stopped == "model calls are stopped: <b>too dear</b>"
    switch = model("Switch").objects.get()
    assert (switch.by, switch.pk) == ("user:operator", 1)
    as_operator.post(address("Switch", "allow"))
    assert endpoints.read().stopped == ""
    assert [what for what, *_ in told()] == ["calls_stopped", "calls_allowed"]
    assert woken == [True, True]


def test_only_who_may_change_it_turns_the_switch(client: Client) -> None:
    client.force_login(make_user("staff", is_staff=True))
    for verb in ("stop", "allow"):
        assert client.post(address("Switch", verb), {"reason": "x"}).status_code == 403
        assert client.get(address("Switch", verb)).status_code == 405
    client.force_login(make_user("stranger"))
    assert client.post(address("Switch", "stop"), {"reason": "x"}).status_code == 302
    assert not model("Switch").objects.exists()


def test_the_switch_and_the_words_need_a_token(operator: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator)
    for url in (address("Switch", "stop"), address("Switch", "allow"), address("PromptTemplate", "shipped")):
        assert strict.post(url, {"reason": "x"}).status_code == 403
