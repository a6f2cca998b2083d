"""The blackboard in the admin: every write goes through its actions, so that versions and events hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from domains import links
from domains.readonly import Large, Lasting, actor
from domains.thunderflow.blackboard import actions, keys, queries
from domains.thunderflow.blackboard.errors import BlackboardError
from domains.thunderflow.models import Entry, Namespace

SHOWN = 120
"""Characters of a value in the list."""


class Refusing:
    """Mix into a ModelAdmin: what an action refuses is told as a message, and nothing is changed."""

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refused to do something with those that were chosen: back to the list."""
        return self._or_told(request, request.get_full_path(), super().changelist_view, *args, **kwargs)  # type: ignore[misc]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refused: back to the form, as the database has it."""
        return self._or_told(request, request.get_full_path(), super().changeform_view, *args, **kwargs)  # type: ignore[misc]

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refused: back to the list."""
        return self._or_told(request, "../../", super().delete_view, *args, **kwargs)  # type: ignore[misc]

    @staticmethod
    def _or_told(request: HttpRequest, back: str, view: Callable[..., HttpResponse], *args: Any, **kwargs: Any) -> Any:
        try:
            with transaction.atomic():  # Django notes a deletion of several before it is made
                return view(request, *args, **kwargs)
        except BlackboardError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(back)


class NamespaceFilter(admin.SimpleListFilter):
    """By namespace, which is a range of keys."""

    title = parameter_name = "namespace"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The first two hundred."""
        return [(one.name, one.name) for one in queries.namespaces()[:200]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        """Its entries."""
        name = self.value()
        if name is None:
            return queryset
        return queryset.filter(key__gte=name, key__lt=f"{name}/", key__regex=rf"^{re.escape(name)}(\.|$)")


class LastingFilter(admin.SimpleListFilter):
    """By whether there is an end to it."""

    title, parameter_name = "how long", "lasting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """For good or for a while."""
        return [("good", "for good"), ("while", "for a while")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        """Those that are as was chosen."""
        return queryset.filter(expires_at__isnull=self.value() == "good") if self.value() else queryset


class EntryForm(forms.ModelForm):
    """An entry as it was when the form was made: `seen` is the version that saving replaces."""

    seen = forms.IntegerField(widget=forms.HiddenInput, required=False, initial=0)
    ttl_s = forms.FloatField(
        label="lasts",
        required=False,
        help_text="Seconds from now; empty: for good.",
        widget=UnfoldAdminDecimalFieldWidget,
    )

    class Meta:
        model = Entry
        fields = ("key", "value")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["value"].required = False  # an empty list is a value too
        if self.instance.pk:
            self.initial["seen"] = self.instance.version

    def clean(self) -> dict[str, Any]:
        """As the actions check it; what depends on the board they check again when they write."""
        found = super().clean() or self.cleaned_data
        key = self.instance.key or found.get("key", "")
        for name, check in (
            ("key", lambda: keys.check_key(key)),
            ("value", lambda: keys.encode(key, found.get("value"))),
            ("ttl_s", lambda: keys.check_ttl(key, found.get("ttl_s"))),
        ):
            if name in self.fields and name not in self.errors:
                try:
                    check()
                except BlackboardError as error:
                    self.add_error(name, ValidationError(str(error), code=error.code))
        return found


@admin.register(Entry)
class EntryAdmin(Refusing, Large, ModelAdmin):
    form = EntryForm
    list_display = ["key", "shown_value", "version", "author", "expires_at", "updated_at"]
    list_filter = [NamespaceFilter, LastingFilter]
    search_fields = ["key__startswith", "author__exact"]
    search_help_text = "How keys begin, or who put it (user:<name>, agent:<name>@<world>)"
    readonly_fields = ["version", "author", "expires_at", "updated_at"]
    fields = ["key", "value", "ttl_s", "seen", *readonly_fields]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        """Those that are there."""
        found = super().get_queryset(request)
        return found.exclude(expires_at__isnull=False, expires_at__lte=Now())

    def get_readonly_fields(self, request: HttpRequest, obj: Entry | None = None) -> list[str]:
        """A key is given once."""
        return ["key", *self.readonly_fields] if obj else list(self.readonly_fields)

    @admin.display(description="value")
    def shown_value(self, entry: Entry) -> str:
        """The beginning of it."""
        text = keys.encode(entry.key, entry.value).decode()
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"

    def save_model(self, request: HttpRequest, obj: Entry, form: forms.ModelForm[Entry], change: bool) -> None:
        """Put it, in place of what the form showed."""
        actions.put(
            obj.key,
            form.cleaned_data["value"],
            by=actor(request),
            expect=form.cleaned_data["seen"] or 0,
            ttl_s=form.cleaned_data["ttl_s"],
            operator=request.user.is_superuser,
        )

    def delete_model(self, request: HttpRequest, obj: Entry) -> None:
        """Delete it, if it is still what was shown."""
        actions.delete(obj.key, by=actor(request), expect=obj.version, operator=request.user.is_superuser)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """All of them or none."""
        deletes = [actions.Delete(key, version) for key, version in queryset.values_list("key", "version")]
        actions.delete_many(deletes, by=actor(request), operator=request.user.is_superuser)


@admin.register(Namespace)
class NamespaceAdmin(Refusing, Large, Lasting, ModelAdmin):
    list_display = ["name", "owner", "writers", "entries", "updated_at"]
    list_filter = ["writers"]
    search_fields = ["name__startswith", "owner__exact"]
    search_help_text = "How namespaces begin, or the owner (user:<name>, agent:<name>@<world>)"
    fields = ["name", "owner", "writers", "inserted_at", "updated_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Namespace | None = None) -> list[str]:
        """A name is given once."""
        return ["name", "inserted_at", "updated_at"] if obj else ["inserted_at", "updated_at"]

    @admin.display(description="entries")
    def entries(self, namespace: Namespace) -> str:
        """The way to them."""
        return links.listed("thunderflow.entry", "its entries", namespace=namespace.name)

    def save_model(self, request: HttpRequest, obj: Namespace, form: forms.ModelForm[Namespace], change: bool) -> None:
        """By the action; who may come here and is no operator must own it."""
        actions.set_namespace(
            obj.name,
            by=actor(request),
            owner=obj.owner,
            writers=obj.writers,
            operator=request.user.is_superuser,
        )
