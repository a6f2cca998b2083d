"""Who is on a topic, by key and by session, over all processes: what Phoenix calls Presence.

Redis holds it for as long as somebody renews it; nothing is in PostgreSQL, and nothing here is a domain's truth.

- `presences.Presences`: one a web process; tracks, and tells those who watch what changes
- `direct`: for code outside an event loop: track, list, count
- `entries`: pure: what is stored, states and diffs
- `scripts`: what Redis holds, and the scripts that change it
"""

from domains.thunderlink.presence.entries import Diff, State
from domains.thunderlink.presence.errors import Away, NotTracked, PresenceError
from domains.thunderlink.presence.presences import Presences

__all__ = ["Away", "Diff", "NotTracked", "PresenceError", "Presences", "State"]
