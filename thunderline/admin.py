"""Models of other people's apps, registered again in the look of the rest."""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.utils.html import format_html
from django_celery_beat import admin as beat
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from domains import links
from domains.readonly import Large, Log
from domains.thundergate.audit.admin import OfEveryWorld

admin.site.index_title = "How things are"

for model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(model)


class TaskSelect(UnfoldAdminSelectWidget, beat.TaskSelectWidget):
    """The registered tasks."""

    template_name = UnfoldAdminSelectWidget.template_name


class PeriodicTaskForm(beat.PeriodicTaskForm):
    """The same form with widgets of the theme."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelect()


class TasksOfSchedule(TabularInline):
    """The tasks that a schedule starts."""

    model = PeriodicTask
    fields = readonly_fields = ["name", "task", "args", "kwargs"]
    can_delete = False
    extra = 0
    show_change_link = True

    def get_queryset(self, request: Any) -> Any:
        """With their schedules, by which they call themselves."""
        return super().get_queryset(request).select_related("interval", "crontab", "solar", "clocked")

    def has_add_permission(self, request: Any, obj: object = None) -> bool:
        """Tasks are made by their own form."""
        return False


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(Large, beat.PeriodicTaskAdmin, ModelAdmin):
    form = PeriodicTaskForm
    search_help_text = "Part of a name or task"
    change_form_template = "admin/change_form.html"  # its own has an inline script, which browsers are told to refuse


class ScheduleAdmin(Large, ModelAdmin):
    """A schedule with its tasks."""

    inlines = [TasksOfSchedule]


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ScheduleAdmin):
    list_display = ["__str__", "every", "period"]
    list_filter = ["period"]


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(Large, beat.CrontabScheduleAdmin, ModelAdmin):
    inlines = [TasksOfSchedule]


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(Large, beat.ClockedScheduleAdmin, ModelAdmin):
    inlines = [TasksOfSchedule]


@admin.register(SolarSchedule)
class SolarScheduleAdmin(ScheduleAdmin):
    list_display = ["__str__", "event", "latitude", "longitude"]
    list_filter = ["event"]


@admin.register(LogEntry)
class LogEntryAdmin(OfEveryWorld, Log, ModelAdmin):
    list_display = ["action_time", links.column("user"), "content_type", "object", "action_flag"]
    list_filter = ["action_flag"]
    list_select_related = ["user", "content_type"]
    search_fields = ["user__username__exact", "object_id__exact"]
    search_help_text = "A user's whole name, or the whole id of what was changed"
    sortable_by = ["action_time"]

    @display(description="object")
    def object(self, entry: LogEntry) -> str:
        """As it was called, and where it is if it is still there."""
        address = entry.get_admin_url()
        if not address or entry.is_deletion():
            return entry.object_repr
        return format_html('<a href="{}" class="to">{}</a>', address, entry.object_repr)


@admin.register(AccessAttempt)
class AccessAttemptAdmin(Large, ModelAdmin):
    """Logins that failed. Who shall not wait any longer is let in again by deleting the row."""

    list_display = ["username", "ip_address", "failures_since_start", "attempt_time", "user_agent"]
    search_fields = ["username__exact", "ip_address__exact"]
    search_help_text = "The whole name of who was asked for, or an address"
    fields = ["username", "ip_address", "failures_since_start", "attempt_time", "user_agent", "path_info"]

    def has_add_permission(self, request: Any) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: Any, obj: object = None) -> bool:
        """Never."""
        return False
