from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Repeatable(models.Model):
    """A create that was done under an `Idempotency-Key`, with its reply: the same request again gets it again.

    Written in the transaction of what was created. Past its time the row means nothing, and is swept.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32, help_text="Of method, address and body.")
    status = models.SmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True, default="")
    inserted_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "api_repeatable_requests"
        indexes = [models.Index(fields=["expires_at"], name="api_repeatable_expiry")]
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="api_repeatable_once"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("inserted_at")), name="api_repeatable_has_a_life"),
            models.CheckConstraint(condition=Q(status__gte=200, status__lt=300), name="api_repeatable_was_done"),
        ]

    def __str__(self) -> str:
        return self.key
