"""Addresses of the pages, of what operators ask for, and of the admin."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import path

from thunderline.views import agent, home, operators, people, zone

urlpatterns = [
    path("", home.show, name="home"),
    path("worlds/<uuid:world_id>/", home.show, name="world"),
    path("zones/<uuid:zone_id>/", zone.show, name="zone"),
    path("agents/<uuid:agent_id>/", agent.show, name="agent"),
    path("agents/<uuid:agent_id>/memories/", agent.memories, name="agent-memories"),
    path("agents/<uuid:agent_id>/ticks/", agent.ticks, name="agent-ticks"),
    path("agents/<uuid:agent_id>/messages/", agent.messages, name="agent-messages"),
    path("agents/<uuid:agent_id>/say/", agent.say, name="agent-say"),
    path("agents/<uuid:agent_id>/tick/", agent.force_tick, name="agent-force-tick"),
    path("agents/<uuid:agent_id>/suspend/", agent.suspend, name="agent-suspend"),
    path("agents/<uuid:agent_id>/wake/", agent.wake, name="agent-wake"),
    path("login/", people.SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("health", operators.health, name="health"),
    path("metrics", operators.metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
