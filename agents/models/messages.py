"""The inbox of agents."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from domains.ids import new_id

MAX_TEXT = 4000


class Message(models.Model):
    """Something said to an agent or, in answer, to a person. Kept for good; `number` orders all of them.

    Each is answered at most once: `reply_to` is unique.
    """

    class Status(models.TextChoices):
        """How far it has come."""

        SENT = "sent", "sent"  # on its way from another agent; arrives with the next world tick
        WAITING = "waiting", "waiting"  # in the inbox
        ANSWERED = "answered", "answered"  # read, and answered by the row that replies to it
        READ = "read", "read"  # read, and nothing more was to be said

    number = models.BigAutoField(primary_key=True)
    world = models.ForeignKey("zones.World", on_delete=models.CASCADE, related_name="+", db_index=False)
    conversation = models.UUIDField(default=new_id, help_text="Joins a message with the answers to it.")
    turn = models.SmallIntegerField(default=0, help_text="Place in the conversation; agents stop after some turns.")
    sender = models.CharField(max_length=200, help_text="Who said it: user:<name>, agent:<name>, …")
    sender_agent = models.ForeignKey(
        "agents.Agent", null=True, blank=True, on_delete=models.CASCADE, related_name="said", db_index=False
    )
    recipient = models.ForeignKey(
        "agents.Agent", null=True, blank=True, on_delete=models.CASCADE, related_name="heard", db_index=False
    )
    to = models.CharField(max_length=200, help_text="Whom it is for, as `sender` says it.")
    text = models.CharField(max_length=MAX_TEXT)
    reply_to = models.OneToOneField("self", null=True, blank=True, on_delete=models.CASCADE, related_name="reply")
    impersonated_by = models.CharField(
        max_length=200, blank=True, default="", help_text="The operator who spoke as the agent."
    )
    status = models.CharField(max_length=8, choices=Status, default=Status.WAITING)
    sent_tick = models.BigIntegerField()
    arrived_tick = models.BigIntegerField(null=True, blank=True)
    done_tick = models.BigIntegerField(null=True, blank=True)
    inserted_at = models.DateTimeField()

    class Meta:
        db_table = "agent_messages"
        ordering = ["-number"]
        indexes = [
            models.Index(fields=["recipient", "-number"], name="agent_messages_heard"),
            models.Index(fields=["sender_agent", "-number"], name="agent_messages_said"),
            models.Index(fields=["recipient"], name="agent_messages_waiting", condition=Q(status="waiting")),
            models.Index(fields=["world"], name="agent_messages_sent", condition=Q(status="sent")),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(text=""), name="message_text_given"),
            models.CheckConstraint(
                condition=Q(status__in=["sent", "waiting", "answered", "read"]), name="message_status_known"
            ),
            models.CheckConstraint(
                condition=Q(recipient__isnull=False) | Q(status="read"), name="message_to_people_is_read"
            ),
            models.CheckConstraint(condition=Q(turn__gte=0), name="message_turn_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.sender}: {self.text[:60]}"
