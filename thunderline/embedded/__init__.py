"""PostgreSQL and Redis from wheels, for an installation that was given no servers of its own.

`settings` asks here for addresses; they follow from the var folder alone, so that every process finds the
same servers. Nothing in this package imports Django, and this module imports nothing that takes time.

- `places`: which file lies where, and who owns it
- `postgres`, `redis`: the two servers: prepare, become, stop
- `attach`: servers for the duration of one command, shared by commands that run at once
- `python -m thunderline.embedded`: the door for processes (`serve`, `run`)"""

from thunderline.embedded.addresses import celery_url, database_url, django_database, redis_url
from thunderline.embedded.places import EmbeddedError

__all__ = ["EmbeddedError", "celery_url", "database_url", "django_database", "redis_url"]
