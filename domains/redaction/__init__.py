"""The contract of forgetting: what each app holds about agents and people, how it lets go of it, and how it shows it.

Each app's `holdings` module registers its own tables and places. Who is forgotten, when, and with what record is
decided in `thundergate`; nothing here knows an app.
"""

from domains.redaction.holdings import Holding, Note, Stage, Step, Subject, harmless, holdings, register
from domains.redaction.words import REDACTED, BadName, Words

__all__ = [
    "REDACTED",
    "BadName",
    "Holding",
    "Note",
    "Stage",
    "Step",
    "Subject",
    "Words",
    "harmless",
    "holdings",
    "register",
]
