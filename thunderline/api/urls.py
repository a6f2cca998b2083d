"""Addresses of REST, of its document, and of the page that shows it."""

from __future__ import annotations

from django.urls import path, re_path

from thunderline.api import (
    agents,
    blackboard,
    dead_letters,
    describing,
    events,
    lives,
    memories,
    messages,
    system,
    ticks,
    tokens,
    worlds,
    zones,
)
from thunderline.api.door import Nothing

V1 = "api/v1"
WORLD, ZONE, AGENT = f"{V1}/worlds/<uuid:world_id>", f"{V1}/zones/<uuid:zone_id>", f"{V1}/agents/<uuid:agent_id>"
MEMORY, LETTER = f"{AGENT}/memories/<uuid:memory_id>", f"{V1}/dead-letters/<uuid:letter_id>"
DOMAIN = f"{V1}/domains/<str:name>"

operations = [
    path(f"{V1}/worlds", worlds.Worlds.as_view()),
    path(WORLD, worlds.OneWorld.as_view()),
    path(f"{WORLD}/pause", worlds.PauseWorld.as_view()),
    path(f"{WORLD}/resume", worlds.ResumeWorld.as_view()),
    path(f"{WORLD}/step", worlds.StepWorld.as_view()),
    path(f"{V1}/zones", zones.Zones.as_view()),
    path(ZONE, zones.OneZone.as_view()),
    path(f"{V1}/agents", agents.Agents.as_view()),
    path(f"{V1}/agents/bulk", agents.ManyAgents.as_view()),
    path(AGENT, agents.OneAgent.as_view()),
    path(f"{AGENT}/activate", lives.ActivateAgent.as_view()),
    path(f"{AGENT}/suspend", lives.SuspendAgent.as_view()),
    path(f"{AGENT}/unarchive", lives.UnarchiveAgent.as_view()),
    path(f"{AGENT}/tick", lives.TickAgent.as_view()),
    path(f"{AGENT}/mods", lives.AgentMods.as_view()),
    path(f"{AGENT}/mods/<path:name>", lives.OneMod.as_view()),
    path(f"{AGENT}/ticks", ticks.Ticks.as_view()),
    path(f"{AGENT}/ticks/<int:number>", ticks.OneTick.as_view()),
    path(f"{AGENT}/messages", messages.Messages.as_view()),
    path(f"{AGENT}/memories", memories.Memories.as_view()),
    path(f"{AGENT}/memories/search", memories.SearchMemories.as_view()),
    path(MEMORY, memories.OneMemory.as_view()),
    path(f"{MEMORY}/graph", memories.MemoryGraph.as_view()),
    path(f"{AGENT}/facts", memories.AgentFacts.as_view()),
    path(f"{V1}/events", events.Events.as_view()),
    path(f"{V1}/events/trace/<uuid:correlation_id>", events.TraceEvents.as_view()),
    path(f"{V1}/blackboard", blackboard.Entries.as_view()),
    path(f"{V1}/blackboard/<str:key>", blackboard.OneEntry.as_view()),
    path(f"{V1}/namespaces", blackboard.BlackboardNamespaces.as_view()),
    path(f"{V1}/dead-letters", dead_letters.DeadLetters.as_view()),
    path(LETTER, dead_letters.OneDeadLetter.as_view()),
    path(f"{LETTER}/retry", dead_letters.RetryDeadLetter.as_view()),
    path(f"{V1}/domains", system.DomainList.as_view()),
    path(DOMAIN, system.OneDomain.as_view()),
    path(f"{DOMAIN}/on", system.SwitchDomainOn.as_view()),
    path(f"{DOMAIN}/off", system.SwitchDomainOff.as_view()),
    path(f"{V1}/nodes", system.NodeList.as_view()),
    path(f"{V1}/health", system.HealthDoor.as_view()),
    path(f"{V1}/token", tokens.Begin.as_view()),
    path(f"{V1}/token/refresh", tokens.Refresh.as_view()),
    path(f"{V1}/token/revoke", tokens.Revoke.as_view()),
]

urlpatterns = [
    *operations,
    path("api/schema", describing.Schema.as_view(), name="api-schema"),
    path("api/docs", describing.docs, name="api-docs"),
    re_path(r"^api(/|$)", Nothing.as_view()),
]
