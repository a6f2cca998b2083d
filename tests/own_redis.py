"""A Redis of one's own, to stop and to start: the one of the test run has others who need it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from thunderline.embedded.places import Places
from thunderline.embedded.redis import Redis


@contextmanager
def own_redis() -> Iterator[Redis]:
    """It runs; `thunderline.embedded.redis_url(server.places.var)` is where."""
    with TemporaryDirectory(prefix="thunderline-test-") as var:
        Path(var).chmod(0o711)
        made = Redis(Places.of(Path(var)).make())
        made.prepare()
        made.start()
        try:
            yield made
        finally:
            made.stop()
            shutil.rmtree(made.places.runtime)
