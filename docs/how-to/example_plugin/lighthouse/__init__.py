"""A package for Thunderline: keepers who light a lamp. Importing it registers everything."""

from lighthouse import actions, reasoners, tools  # noqa: F401
from lighthouse.mods import LAMP

__all__ = ["LAMP"]
