"""How the admin looks: the same paper, ink and teal as the pages, and a sidebar in the order in which one thinks."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

_PAPER = {
    "50": "#faf8f4", "100": "#f3f0e9", "200": "#e2ddd2", "300": "#c9c4b9", "400": "#9a9ea6", "500": "#666a70",
    "600": "#4c5057", "700": "#373b42", "800": "#23272d", "900": "#1a1e23", "950": "#121519",
}  # fmt: skip
_TEAL = {
    "50": "#eef7f6", "100": "#d5ebe8", "200": "#aed8d3", "300": "#86c5be", "400": "#5fa9a2", "500": "#4f9c96",
    "600": "#2f6f6a", "700": "#285b57", "800": "#234a47", "900": "#1f3e3c", "950": "#0f2423",
}  # fmt: skip


EVERY_WORLD = "thundergate.see_every_world"


def _item(title: str, icon: str, model: str, *besides: str) -> dict[str, Any]:
    """The way to a list, for who may see it: `besides` are permissions that it takes more than its own."""
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": lambda request: request.user.has_perms([f"{app}.view_{name}", *besides]),
    }


def _group(title: str, *items: dict[str, Any], collapsible: bool = False) -> dict[str, Any]:
    return {"title": title, "separator": True, "collapsible": collapsible, "items": list(items)}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Thunderline",
    "SITE_HEADER": "Thunderline",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("thunderline/icon.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("thunderline/icon.svg")}],
    "SHOW_HISTORY": True,
    "DASHBOARD_CALLBACK": "thunderline.start_page.context",
    "SCRIPTS": [lambda request: static("thunderline/admin.js")],
    "STYLES": [lambda request: static("thunderline/admin.css")],
    "COLORS": {"base": _PAPER, "primary": _TEAL},
    "BORDER_RADIUS": "8px",
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            _group(
                "Life",
                _item("Agents", "diversity_3", "agents.agent"),
                _item("Mods", "extension", "agents.mod"),
                _item("Ticks", "timeline", "agents.ticklog"),
                _item("Pulses of worlds", "ecg_heart", "agents.worldpulse"),
                _item("Messages", "forum", "agents.message"),
                _item("Lived by clients", "accessibility_new", "agents.embodiment"),
            ),
            _group(
                "Memory",
                _item("Memories", "psychology", "memory.memorynode"),
                _item("Ties", "share", "memory.memoryedge"),
                _item("Names", "badge", "memory.memoryentity"),
                _item("Facts", "fact_check", "memory.memoryfact"),
                _item("Health", "monitor_heart", "memory.memoryhealth"),
                _item("Health of worlds", "monitoring", "memory.worldmemoryhealth"),
                _item("Recalls", "manage_search", "memory.memoryrecall"),
                _item("Upkeep", "cleaning_services", "memory.agentupkeep"),
                _item("Waiting for the graph", "hourglass_empty", "memory.unlinkedmemory"),
                _item("Compared", "compare", "memory.memoryform"),
            ),
            _group(
                "Minds",
                _item("Model calls", "neurology", "agents.modelcall"),
                _item("Being asked now", "pending", "agents.thought"),
                _item("Spending", "payments", "agents.spending"),
                _item("Spending caps", "savings", "agents.spendingcap"),
                _item("Prices", "sell", "agents.price"),
                _item("Endpoints", "dns", "agents.endpoint"),
                _item("Prompts", "edit_note", "agents.prompttemplate"),
                _item("Reasoners", "memory", "agents.reasonerprocess"),
                _item("Stop or allow calls", "power_settings_new", "agents.switch"),
            ),
            _group(
                "Tools",
                _item("Tools for AI clients", "construction", "mcp_server.toolsetting"),
                _item("Outside servers", "cloud", "mcp_server.outsideserver"),
                _item("Outside tools", "handyman", "mcp_server.outsidetool"),
                _item("Outside calls", "outbound", "agents.outsidecall"),
            ),
            _group(
                "Places",
                _item("Worlds", "public", "zones.world"),
                _item("World files", "description", "zones.worldsource"),
                _item("Zones", "location_on", "zones.zone"),
                _item("Ways", "route", "zones.neighbour"),
                _item("On the way", "directions_walk", "zones.crossing"),
                _item("Notices", "sticky_note_2", "zones.notice"),
                _item("About to be put up", "post_add", "agents.boardwrite"),
            ),
            _group(
                "System",
                _item("Domains", "hub", "thunderblock.activedomain"),
                _item("Heart", "favorite", "thunderlink.heart"),
                _item("Heartbeats", "monitor_heart", "thunderlink.heartbeattick"),
                _item("Nodes", "dns", "thunderlink.node"),
                _item("Alerts", "notifications", "thundergate.alert"),
                _item("Rules of alerts", "rule", "thundergate.alertrule"),
                _item("Watch of alerts", "visibility", "thundergate.alertwatch"),
                _item("Disk", "hard_drive", "thunderblock.disk"),
                _item("Retention", "auto_delete", "thunderblock.retentionpolicy"),
            ),
            _group(
                "History",
                _item("Events", "list_alt", "thunderflow.event"),
                _item("Streams", "stream", "thunderflow.stream"),
                _item("Subscriptions", "rss_feed", "thunderflow.subscription"),
                _item("Held back", "pause_circle", "thunderflow.parkedstream"),
                _item("Dead letters", "report", "thunderflow.deadletter"),
                _item("Breakers", "electrical_services", "thunderflow.breaker"),
                _item("Followers", "memory", "thunderflow.follower"),
                _item("Cursors", "moving", "thunderflow.cursor"),
                _item("Leases", "lock_clock", "thunderflow.lease"),
                _item("Seals", "verified", "thunderflow.seal"),
                _item("Redacted rows", "ink_eraser", "thunderflow.redactedrow"),
                _item("Blackboard", "dashboard", "thunderflow.entry"),
                _item("Namespaces", "folder", "thunderflow.namespace"),
            ),
            _group(
                "People",
                _item("Users", "person", "thundergate.user"),
                _item("Groups", "group", "auth.group"),
                _item("Keys", "vpn_key", "thundergate.apikey"),
                _item("Tokens", "key", "thundergate.accesstoken"),
                _item("Memory grants", "visibility", "thundergate.memorygrant"),
                _item("Audit trail", "policy", "thundergate.auditentry", EVERY_WORLD),
                _item("Admin's log", "history", "admin.logentry", EVERY_WORLD),
                _item("Failed logins", "no_accounts", "axes.accessattempt"),
                _item("Redactions", "person_remove", "thundergate.redaction"),
                _item("Repeatable requests", "repeat", "thundergate.repeatable"),
            ),
            _group(
                "Schedule",
                _item("Periodic tasks", "schedule", "django_celery_beat.periodictask"),
                _item("Intervals", "timer", "django_celery_beat.intervalschedule"),
                _item("Crontabs", "calendar_month", "django_celery_beat.crontabschedule"),
                _item("Clocked", "alarm", "django_celery_beat.clockedschedule"),
                _item("Solar", "wb_sunny", "django_celery_beat.solarschedule"),
                collapsible=True,
            ),
        ],
    },
}
"""django-unfold's setting."""
