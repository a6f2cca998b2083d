"""What agents are about to put on the blackboard."""

from __future__ import annotations

from django.db import models

from domains.fields import WrittenJSONField


class BoardWrite(models.Model):
    """An entry that an agent put at one world tick; it is on the board, and this row gone, before the next.

    Put in the order of tick, `ordinal` and `id`.
    """

    id = models.BigAutoField(primary_key=True)
    world = models.ForeignKey("zones.World", on_delete=models.CASCADE, related_name="+")
    zone_id = models.UUIDField(help_text="Where it was put from.")
    tick = models.BigIntegerField()
    agent_id = models.UUIDField()
    ordinal = models.IntegerField(help_text="Of the agent.")
    key = models.CharField(max_length=500)
    value = WrittenJSONField()
    expect = models.BigIntegerField(null=True)
    author = models.CharField(max_length=200)

    class Meta:
        db_table = "agent_board_writes"

    def __str__(self) -> str:
        return f"{self.key} by {self.author}"
