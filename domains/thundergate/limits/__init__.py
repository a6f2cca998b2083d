"""How often who may do what: per identity and class, counted in Redis and so over all processes.

    verdict = limits.take(limits.of(identity), "heavy")            # sync code
    verdict = await limits.take_async("address:…", "heavy")
    if not verdict.allowed: answer 429 with verdict.headers()

Doors have it ready made: `views.limited` for plain views, `throttles.IdentityThrottle` for REST. For what comes many
times a second there are `Lots`, which ask Redis for some at once, and `Bucket`, which counts one connection here.
"""

from domains.thundergate.limits.rates import Rate, Verdict, rate
from domains.thundergate.limits.store import Bucket, Lots, of, take, take_async

__all__ = ["Bucket", "Lots", "Rate", "Verdict", "of", "rate", "take", "take_async"]
