"""`manage.py secrets rotate`: encrypt stored secrets anew, so that an old signing key can be forgotten."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from domains import console
from domains.fields import EncryptedField, Secret, Undecipherable, is_current, rotated


class Command(BaseCommand):
    help = "Secrets that are stored encrypted, such as keys of model endpoints."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("rotate", help="encrypt all of them under today's THUNDERLINE_SECRET_KEY")
        verbs.add_parser("status", help="how many are under which key; changes nothing")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, verb: str, json: bool, **_: Any) -> None:
        """What cannot be read any more is named, left as it is, and makes the command fail."""
        current, old, lost = 0, 0, []
        for model, name, pk, token in _stored():
            if is_current(token):
                current += 1
                continue
            try:
                anew = rotated(token)
            except Undecipherable:
                lost.append(f"{model._meta.db_table} {pk}: {name}")
                continue
            old += 1
            if verb == "rotate":  # somebody may have entered another meanwhile: that one stays
                model._base_manager.filter(pk=pk, **{name: Secret(token)}).update(**{name: Secret(anew)})
        if json:
            console.write_json(self.stdout, {"current": current, "old": old, "lost": lost, "rotated": verb == "rotate"})
        else:
            done = "encrypted anew" if verb == "rotate" else "under a key that was replaced"
            self.stdout.write(f"{current} under today's key, {old} {done}, {len(lost)} cannot be read.")
        if lost:
            raise CommandError(f"enter these again, their signing key is not known: {'; '.join(lost[:20])}")


def _stored() -> Iterator[tuple[type[Model], str, Any, str]]:
    """Each stored secret as model, field, primary key and what lies in the column."""
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, EncryptedField):
                rows = model._base_manager.exclude(**{field.name: ""}).order_by("pk")
                for pk, secret in rows.values_list("pk", field.name).iterator():
                    yield model, field.name, pk, secret.token
