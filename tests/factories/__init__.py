"""Makers of what tests stand on: people, worlds with zones and agents, a heart that beats."""

from tests.factories.hearts import beat, wake_domains
from tests.factories.letters import make_letter
from tests.factories.nodes import let_nodes_pass
from tests.factories.people import make_user
from tests.factories.worlds import make_world, run_ticks

__all__ = ["beat", "let_nodes_pass", "make_letter", "make_user", "make_world", "run_ticks", "wake_domains"]
