"""What worlds and zones refuse, with stable codes that every door passes on."""

from __future__ import annotations


class ZoneError(Exception):
    """Base of the refusals of this app. `code` is stable; the message helps."""

    code = "zone_error"


class NotFound(ZoneError):
    """There is no such world or zone."""

    code = "zone_not_found"


class InvalidZoneId(ZoneError):
    """What should be the id of a zone is none."""

    code = "invalid_zone_id"


class AccessDenied(ZoneError):
    """The actor may not do this here."""

    code = "access_denied"


class ZoneFull(ZoneError):
    """No place is left."""

    code = "zone_full"


class InsufficientResources(ZoneError):
    """There is less of it than was asked for."""

    code = "insufficient_resources"


class Invalid(ZoneError):
    """A value does not fit."""

    code = "invalid_payload"
