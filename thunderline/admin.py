"""Models of other people's apps, registered again in the look of the rest."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django_celery_beat import admin as beat
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from domains.readonly import Log

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

    def has_add_permission(self, request: Any, obj: object = None) -> bool:
        """Tasks are made by their own form."""
        return False


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(beat.PeriodicTaskAdmin, ModelAdmin):
    form = PeriodicTaskForm


class ScheduleAdmin(ModelAdmin):
    """A schedule with its tasks."""

    inlines = [TasksOfSchedule]


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ScheduleAdmin):
    list_display = ["__str__", "every", "period"]
    list_filter = ["period"]


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(beat.CrontabScheduleAdmin, ModelAdmin):
    inlines = [TasksOfSchedule]


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(beat.ClockedScheduleAdmin, ModelAdmin):
    inlines = [TasksOfSchedule]


@admin.register(SolarSchedule)
class SolarScheduleAdmin(ScheduleAdmin):
    list_display = ["__str__", "event", "latitude", "longitude"]
    list_filter = ["event"]


@admin.register(LogEntry)
class LogEntryAdmin(Log, ModelAdmin):
    list_display = ["action_time", "user", "content_type", "object_repr", "action_flag"]
    list_filter = ["action_flag"]
    list_select_related = ["user", "content_type"]
    search_fields = ["object_repr"]
