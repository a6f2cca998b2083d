"""Alerts and their rules in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from domains import links
from domains.readonly import Large, Log, actor
from domains.thunderflow.patterns import BadPattern, to_regex
from domains.thundergate.alerts import actions, queries
from domains.thundergate.alerts.models import Alert, AlertRule, AlertWatch

STATES = {Alert.State.FIRING: "danger", Alert.State.PENDING: "warning", Alert.State.RESOLVED: "success"}
SEVERITIES = {"critical": "danger", "warning": "warning"}
MOST_LABELS = 20


class AlertRuleForm(forms.ModelForm):
    """A rule that looks at something that can be."""

    class Meta:
        model = AlertRule
        fields = ("name", "enabled", "severity", "kind", "metric", "labels", "comparison", "threshold", "topic",
                  "count", "seconds", "hint")  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """What is needed depends on the kind."""
        found = super().clean() or self.cleaned_data
        kind = found.get("kind")
        if kind == AlertRule.Kind.METRIC and not found.get("metric") and "metric" not in self.errors:
            self.add_error("metric", "Which metric?")
        if kind == AlertRule.Kind.EVENT:
            if not found.get("seconds") and "seconds" not in self.errors:
                self.add_error("seconds", "Events are counted within a second at least.")
            try:
                to_regex(found.get("topic") or "")
            except BadPattern as error:
                self.add_error("topic", ValidationError(str(error)))
        labels = found.get("labels", {})
        plain = isinstance(labels, dict) and all(isinstance(value, str) for value in labels.values())
        if "labels" not in self.errors and (not plain or len(labels) > MOST_LABELS):
            self.add_error("labels", f'Labels look like {{"world": "Harbour"}}; {MOST_LABELS} at most.')
        return found


@admin.register(AlertRule)
class AlertRuleAdmin(Large, ModelAdmin):
    form = AlertRuleForm
    list_display = ["name", "enabled", "shown_severity", "kind", "looks_at", "seconds", "found"]
    list_filter = ["enabled", "severity", "kind"]
    search_fields = ["name", "metric", "topic"]
    search_help_text = "Part of a name, metric or topic"
    actions = ["switch_on", "switch_off"]

    @display(description="severity", ordering="severity", label=SEVERITIES)
    def shown_severity(self, rule: AlertRule) -> str:
        """As a coloured label."""
        return rule.severity

    @display(description="looks at")
    def looks_at(self, rule: AlertRule) -> str:
        """In a line."""
        if rule.kind == AlertRule.Kind.EVENT:
            return f"{rule.count} × {rule.topic}"
        if rule.comparison == AlertRule.Comparison.MISSING:
            return f"no {rule.metric}"
        return f"{rule.metric} {rule.comparison} {rule.threshold:,g}"

    @display(description="alerts")
    def found(self, rule: AlertRule) -> str:
        """The way to what it found."""
        return links.listed("thundergate.alert", "its alerts", rule__id__exact=rule.pk)

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        """Looked at from the next time on."""
        self.message_user(request, f"{queryset.update(enabled=True, updated_at=timezone.now())} switched on.")

    @admin.action(description="Switch off: what fires is over", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        """Its alerts are resolved the next time."""
        self.message_user(request, f"{queryset.update(enabled=False, updated_at=timezone.now())} switched off.")


@admin.register(Alert)
class AlertAdmin(Log, ModelAdmin):
    """What rules found. Rows are made and ended by evaluation."""

    list_display = ["shown_state", "shown_severity", "says", links.column("rule"), "since", "resolved_at",
                    "acknowledged_by"]  # fmt: skip
    list_display_links = ["says"]
    list_filter = ["state", "severity", "rule"]
    list_select_related = ["rule"]
    search_fields = ["key", "acknowledged_by"]
    search_help_text = "Part of the labels, or of who sees to it"
    actions = ["acknowledge"]

    @display(description="state", ordering="state", label=STATES)
    def shown_state(self, alert: Alert) -> str:
        """As a coloured label."""
        return alert.state

    @display(description="severity", ordering="severity", label=SEVERITIES)
    def shown_severity(self, alert: Alert) -> str:
        """As a coloured label."""
        return alert.severity

    @display(description="what")
    def says(self, alert: Alert) -> str:
        """For people."""
        return queries.sentence(alert)

    @admin.action(description="Acknowledge: somebody sees to it", permissions=["operate"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """The chosen ones, all or none."""
        ids = list(queryset.order_by().values_list("pk", flat=True))
        try:
            count = actions.acknowledge(ids, by=actor(request), now=timezone.now())
        except actions.AlertError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"{count} acknowledged.")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may change alerts, though not row by row."""
        return request.user.has_perm("thundergate.change_alert")


@admin.register(AlertWatch)
class AlertWatchAdmin(Log, ModelAdmin):
    list_display = ["__str__", "evaluated_at", "position"]
