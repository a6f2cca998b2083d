"""What agents want done by tools of outside servers, and what came of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from domains.fields import WrittenJSONField


class OutsideCall(models.Model):
    """One call of an outside tool: written by a tick, made outside of it, answered by a message to the agent.

    Its id is told to the server as what makes a repeated call known.
    """

    class Status(models.TextChoices):
        """How far it has come."""

        OPEN = "open", "open"  # to be made, or under way
        DONE = "done", "done"
        FAILED = "failed", "failed"  # it was made, and went wrong
        REFUSED = "refused", "refused"  # it was not made

    id = models.UUIDField(primary_key=True)
    agent = models.ForeignKey("agents.Agent", on_delete=models.DO_NOTHING, related_name="+", db_constraint=False)
    world = models.ForeignKey(
        "zones.World", on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    tool = models.CharField(max_length=100, help_text="As agents know it: <server>.<tool>.")
    arguments = WrittenJSONField(help_text="As the agent gave them; once it is made, as they were sent.")
    about = models.CharField(max_length=300, blank=True, help_text="What rules wanted to know.")
    tick_number = models.BigIntegerField(help_text="The agent's tick that wanted it.")
    asked_tick = models.BigIntegerField(help_text="The world's.")
    attempt = models.SmallIntegerField(default=0)
    status = models.CharField(max_length=7, choices=Status, default=Status.OPEN)
    code = models.CharField(max_length=40, blank=True, help_text="Why it is not done.")
    result = models.TextField(blank=True, help_text="What the tool gave, as far as it is kept.")
    error = models.CharField(max_length=500, blank=True)
    message = models.BigIntegerField(null=True, help_text="The number of the message that told the agent.")
    ms = models.FloatField(null=True, help_text="Of the last attempt.")
    holder = models.UUIDField(null=True, help_text="The process that has the lease.")
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="From then on anybody may take it up.")

    class Meta:
        db_table = "outside_calls"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["agent", "-id"], name="outside_calls_agent_newest"),
            models.Index(fields=["expires_at"], name="outside_calls_open", condition=Q(status="open")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["open", "done", "failed", "refused"]), name="outside_call_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool} {self.status} {self.started_at:%Y-%m-%d %H:%M:%S}"
