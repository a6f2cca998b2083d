"""What is sent twice is done once: requests of REST and MCP under a key of the client's, forms under one of their own.

    repeats.once(user.pk, key, fingerprint, act, keep=…, again=…)

`forms` has it ready made for pages, `admin` for actions of the admin.
"""

from domains.thundergate.repeats.store import Answer, Broken, KeyReused, UnderWay, fingerprint, is_key, once, once_begun

__all__ = ["Answer", "Broken", "KeyReused", "UnderWay", "fingerprint", "is_key", "once", "once_begun"]
