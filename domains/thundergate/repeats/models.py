from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

BEGUN = 102
"""Status of what is under way, or broke off."""


class Repeatable(models.Model):
    """Something that was done under a key, with its answer: the same once more gets it again. Written by `repeats`.

    Past its time the row means nothing, and is swept.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32, help_text="Of what was asked.")
    status = models.SmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True, default="")
    inserted_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "repeatable_requests"
        verbose_name = "repeatable request"
        indexes = [models.Index(fields=["expires_at"], name="repeatable_expiry")]
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="repeatable_once"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("inserted_at")), name="repeatable_has_a_life"),
            models.CheckConstraint(
                condition=Q(status=BEGUN) | Q(status__gte=200, status__lt=400), name="repeatable_was_done"
            ),
        ]

    def __str__(self) -> str:
        return self.key
