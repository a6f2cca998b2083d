"""Addresses of the pages, of what operators ask for, and of the admin."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.http import HttpRequest
from django.urls import path

from domains.thundergate.limits.views import limited
from thunderline.api.urls import urlpatterns as rest
from thunderline.views import (
    agent,
    clocks,
    domains,
    events,
    home,
    letters,
    making,
    memories,
    operators,
    people,
    search,
    steering,
    system,
    worldmap,
    zone,
)

handler400 = "thunderline.api.describing.misfit"
handler500 = "thunderline.api.describing.fault"


def _posted(request: HttpRequest) -> bool:
    return request.method == "POST"


def _searched(request: HttpRequest) -> bool:
    return bool(request.GET.get("q"))


urlpatterns = [
    path("", home.show, name="home"),
    path("worlds/<uuid:world_id>/", home.show, name="world"),
    path("worlds/<uuid:world_id>/pause/", clocks.pause, name="world-pause"),
    path("worlds/<uuid:world_id>/resume/", clocks.resume, name="world-resume"),
    path("worlds/<uuid:world_id>/step/", clocks.step, name="world-step"),
    path("worlds/<uuid:world_id>/speed/", clocks.speed, name="world-speed"),
    path("worlds/<uuid:world_id>/zones/new/", making.zone, name="new-zone"),
    path("worlds/<uuid:world_id>/map/", worldmap.show, name="world-map"),
    path("worlds/<uuid:world_id>/pulse/", worldmap.pulse, name="world-pulse"),
    path("zones/<uuid:zone_id>/", zone.show, name="zone"),
    path("zones/<uuid:zone_id>/agents/new/", making.agent, name="new-agent"),
    path("zones/<uuid:zone_id>/happening/", making.happening, name="zone-happening"),
    path("zones/<uuid:zone_id>/doors/", zone.doors, name="zone-doors"),
    path("zones/<uuid:zone_id>/series/", zone.series, name="zone-series"),
    path("agents/<uuid:agent_id>/", agent.show, name="agent"),
    path("agents/<uuid:agent_id>/memories/", limited(when=_searched)(memories.search), name="agent-memories"),
    path("agents/<uuid:agent_id>/memories/<uuid:memory_id>/", memories.around, name="agent-memory"),
    path("agents/<uuid:agent_id>/memories/<uuid:memory_id>/graph/", memories.picture, name="agent-memory-graph"),
    path("agents/<uuid:agent_id>/facts/", memories.facts, name="agent-facts"),
    path("agents/<uuid:agent_id>/series/", agent.series, name="agent-series"),
    path("agents/<uuid:agent_id>/ticks/", agent.ticks, name="agent-ticks"),
    path("agents/<uuid:agent_id>/messages/", agent.messages, name="agent-messages"),
    path("agents/<uuid:agent_id>/say/", agent.say, name="agent-say"),
    path("agents/<uuid:agent_id>/tick/", steering.force_tick, name="agent-force-tick"),
    path("agents/<uuid:agent_id>/suspend/", steering.suspend, name="agent-suspend"),
    path("agents/<uuid:agent_id>/wake/", steering.wake, name="agent-wake"),
    path("agents/<uuid:agent_id>/archive/", steering.archive, name="agent-archive"),
    path("agents/<uuid:agent_id>/restore/", steering.restore, name="agent-restore"),
    path("agents/<uuid:agent_id>/move/", steering.move, name="agent-move"),
    path("search/", limited(when=_searched)(search.show), name="search"),
    path("domains/", domains.show, name="domains"),
    path("domains/<str:name>/off/", domains.ask_off, name="domain-off"),
    path("domains/<str:name>/switch-off/", domains.switch_off, name="domain-switch-off"),
    path("domains/<str:name>/switch-on/", domains.switch_on, name="domain-on"),
    path("events/", events.show, name="events"),
    path("events/tail/", events.tail, name="events-tail"),
    path("events/<int:position>/", events.one, name="event"),
    path("events/<int:position>/tree/", limited("heavy")(events.tree), name="event-tree"),
    path("events/dead-letters/", letters.show, name="letters"),
    path("events/dead-letters/<uuid:letter_id>/", letters.one, name="letter"),
    path("events/dead-letters/<str:verb>/", letters.resolve_all, name="letters-resolve"),
    path("events/dead-letters/<uuid:letter_id>/<str:verb>/", letters.resolve, name="letter-resolve"),
    path("system/", system.show, name="system"),
    path("system/subscriptions/<str:name>/pause/", system.pause, name="subscription-pause"),
    path("system/subscriptions/<str:name>/resume/", system.resume, name="subscription-resume"),
    path("system/breakers/reset/", system.reset_breaker, name="breaker-reset"),
    path("system/alerts/<int:alert_id>/acknowledge/", system.acknowledge, name="alert-acknowledge"),
    path("login/", limited(when=_posted)(people.SignIn.as_view()), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", people.ChangePassword.as_view(), name="password_change"),
    path(
        "password/forgotten/", limited("heavy", when=_posted)(people.ForgottenPassword.as_view()), name="password_reset"
    ),
    path("password/forgotten/sent/", people.ForgottenSent.as_view(), name="password_reset_done"),
    path("password/new/<uidb64>/<token>/", people.NewPassword.as_view(), name="password_reset_confirm"),
    path("health", operators.health, name="health"),
    path("metrics", operators.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    *rest,
]
