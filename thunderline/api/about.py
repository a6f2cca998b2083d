"""What the OpenAPI document says of the whole. Read with the settings, so it imports nothing of ours."""

from __future__ import annotations

from typing import Any

DESCRIPTION = """
Worlds, zones and agents, what they remember, and what happened.

* **Who asks**: `Authorization: Bearer <token>`, or the session of a browser. Nothing is granted by default; what one
  may not see is not found.
* **Refusals** are problem details (RFC 9457): `code` is stable, `detail` says what to do, `errors` names fields. 400:
  it does not fit this description. 422: it fits, and means something that cannot be. Nothing is changed then.
* **Lists** come in pages: `next` is the address of the next one.
* **Updates** need `If-Match` with the `ETag` of what was read.
* **Creates** heed `Idempotency-Key`: sent again within a day, the same request is done once and answered as before.
* **Deleting** archives: nothing that somebody may still ask for is lost.
""".strip()

TAGS = {
    "worlds": "Worlds and their clocks.",
    "zones": "Places in worlds.",
    "agents": "Those who live there, their mods and their lives.",
    "ticks": "The record of every tick of an agent.",
    "messages": "What is said to agents, and what they say.",
    "memories": "What agents remember, how it hangs together, and what they hold to be so.",
    "events": "The log of all that happened, in order.",
    "blackboard": "Knowledge that agents, people and programs share.",
    "dead letters": "Events that a subscriber could not handle.",
    "system": "Domains, nodes and health.",
    "tokens": "Keys for short-lived tokens.",
}

REST_DOCUMENT: dict[str, Any] = {
    "TITLE": "Thunderline",
    "VERSION": "1",
    "DESCRIPTION": DESCRIPTION,
    "OAS_VERSION": "3.1.0",
    "TAGS": [{"name": name, "description": told} for name, told in TAGS.items()],
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
    "DISABLE_ERRORS_AND_WARNINGS": False,
    "COMPONENT_SPLIT_REQUEST": False,
    "COMPONENT_SPLIT_PATCH": False,
    "SORT_OPERATIONS": True,
    "POSTPROCESSING_HOOKS": [],
}
"""drf-spectacular's setting."""
