"""Makers of what tests stand on: people, worlds with zones and agents, a heart that beats."""

from tests.factories.hearts import beat, wake_domains
from tests.factories.people import make_user
from tests.factories.worlds import make_world, run_ticks

__all__ = ["beat", "make_user", "make_world", "run_ticks", "wake_domains"]
