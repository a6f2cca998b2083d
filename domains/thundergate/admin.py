from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextareaWidget,
)

from domains import links
from domains.newest import Newest
from domains.readonly import Large, Log, actor
from domains.thundergate import grants, keys, roles, scopes, tokens
from domains.thundergate.alerts.admin import AlertAdmin, AlertRuleAdmin, AlertWatchAdmin
from domains.thundergate.audit.admin import AuditEntryAdmin
from domains.thundergate.errors import GateError
from domains.thundergate.models import AccessToken, ApiKey, MemoryGrant, Redaction, Repeatable, User
from domains.thundergate.repeats.admin import RepeatableAdmin

__all__ = [
    "AccessTokenAdmin",
    "AlertAdmin",
    "AlertRuleAdmin",
    "AlertWatchAdmin",
    "ApiKeyAdmin",
    "AuditEntryAdmin",
    "GroupAdmin",
    "MemoryGrantAdmin",
    "RedactionAdmin",
    "RepeatableAdmin",
    "UserAdmin",
]

REDACTIONS = {"running": "info", "waiting": "warning", "done": "success"}
STATE_COLOURS = {"good": "success", "expired": "info", "revoked": "danger"}

GO_ALONG = {model._meta.verbose_name for model in (AccessToken, ApiKey, MemoryGrant, Repeatable)}

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(Large, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "shown_name", "is_active", "is_staff", "is_superuser", "last_login"]
    list_filter = ["is_active", "is_staff", "is_superuser", "groups"]
    search_fields = ["username", "email"]
    search_help_text = "Part of a user's name or address"
    readonly_fields = ["elsewhere"]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """What one has is there once one is."""
        given = super().get_fieldsets(request, obj)
        return [*given, ("Elsewhere", {"fields": ["elsewhere"]})] if obj else given

    @display(description="name", ordering="first_name")
    def shown_name(self, user: User) -> str:
        """In full."""
        return user.get_full_name()

    @display(description="elsewhere")
    def elsewhere(self, user: User) -> str:
        """What they own, what lets them in, and what they did."""
        actor = f"user:{user.get_username()}"
        return links.line([
            links.listed("zones.world", "worlds", owner__id__exact=user.pk),
            links.listed("thundergate.apikey", "keys", owner__id__exact=user.pk),
            links.listed("thundergate.accesstoken", "tokens", user__id__exact=user.pk),
            links.listed("thundergate.memorygrant", "memory grants", user__id__exact=user.pk),
            links.listed("agents.message", "messages", q=actor),
            links.listed("thunderflow.event", "latest events", q=actor),
            links.listed("thundergate.auditentry", "audit trail", q=user.get_username()),
        ])  # fmt: skip

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Tokens, keys and what was kept for them, which are deleted by nobody, go with their users."""
        objects, counts, needed, protected = super().get_deleted_objects(objs, request)
        return objects, counts, set(needed) - GO_ALONG, protected


@admin.register(Group)
class GroupAdmin(Large, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    list_display = ["name", "meaning", "people"]
    search_help_text = "Part of a group's name"

    @display(description="what it may")
    def meaning(self, group: Group) -> str:
        """Of the roles that are kept as the table says."""
        role = roles.ROLES.get(group.name)
        return role.meaning if role else links.NONE

    @display(description="people")
    def people(self, group: Group) -> str:
        """The way to them."""
        return links.listed("thundergate.user", "its people", groups__id__exact=group.pk)


class StateFilter(admin.SimpleListFilter):
    """By what showing the token or key would say."""

    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All three."""
        return [(state.value, str(state.label)) for state in AccessToken.State]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """As `state` has it. Keys may have no end."""
        now = timezone.now()
        match self.value():
            case "revoked":
                return queryset.filter(revoked_at__isnull=False)
            case "expired":
                return queryset.filter(revoked_at=None, expires_at__lte=now)
            case "good":
                return queryset.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)
        return queryset


class ForAgent:
    """Mix into a ModelAdmin whose rows may be for one agent alone."""

    @display(description="agent", ordering="agent_id")
    def shown_agent(self, row: Any) -> str:
        """As a link."""
        return links.to("agents.agent", row.agent_id)


@admin.register(AccessToken)
class AccessTokenAdmin(ForAgent, Newest, ModelAdmin):
    """What was issued, to whom; a token itself is never shown. Revoking works while domains rest, too."""

    indexed = ("user", "username")
    list_display = [
        "id", links.column("user"), links.column("key"), "shown_agent", "shown_state", "issued_at", "expires_at",
        "revoked_by", "reason",
    ]  # fmt: skip
    list_filter = [StateFilter]
    list_select_related = ["user", "key"]
    search_fields = ["user__username__exact"]
    search_help_text = "A user's whole name"
    sortable_by = ["issued_at"]
    actions = ["revoke"]

    @display(description="state", label=STATE_COLOURS)
    def shown_state(self, row: AccessToken) -> str:
        """At this moment, as a coloured label."""
        return row.state(timezone.now())

    @admin.action(description="Revoke: good for nothing from now on", permissions=["operate"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[AccessToken]) -> None:
        """The chosen ones; connections that use them are closed within a second."""
        ids = list(queryset.order_by().values_list("pk", flat=True))
        revoked = tokens.revoke(ids, by=actor(request), reason="revoked in the admin")
        self.message_user(request, f"{len(revoked)} revoked.")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may change tokens, though not row by row."""
        return request.user.has_perm("thundergate.change_accesstoken")


@admin.register(Redaction)
class RedactionAdmin(Log, ModelAdmin):
    """Who was forgotten is said by id only, and while it goes on not even its names are shown."""

    list_display = ["id", "kind", "about", "shown_status", "round", "by", "reason", "rows"]
    list_filter = ["kind", "status"]
    search_fields = ["id__exact", "about__exact"]
    search_help_text = "The whole id of a redaction, agent or user"
    exclude = ["subject", "after"]
    ordering = ["-id"]

    @display(description="status", ordering="status", label=REDACTIONS)
    def shown_status(self, row: Redaction) -> str:
        """As a coloured label."""
        return row.status

    @display(description="rows")
    def rows(self, row: Redaction) -> str:
        """The way to the rows of logs that it changed."""
        return links.listed("thunderflow.redactedrow", "its rows", q=row.pk)


class KeyForm(forms.ModelForm):
    """A key to make."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope.name, f"{scope.name}: {scope.meaning}") for scope in scopes.SCOPES.values()],
        required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )  # fmt: skip
    zones = forms.CharField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Ids of zones that it may enter and act in, if not all.",
    )  # fmt: skip
    days = forms.FloatField(
        required=False, min_value=0.001, max_value=keys.MOST_DAYS, widget=UnfoldAdminDecimalFieldWidget(),
        help_text="It is good for so many days; empty: until it is revoked.",
    )  # fmt: skip

    class Meta:
        model = ApiKey
        fields = ["name", "owner", "agent_id"]

    def clean(self) -> dict[str, Any]:
        """Scopes as `scopes.parse` wants them."""
        given = super().clean() or {}
        zones = [f"zone:{zone_id}:join" for zone_id in given.get("zones", "").replace(",", " ").split()]
        try:
            given["scopes"] = scopes.parse([*given.get("scopes", []), *zones])
        except GateError as error:
            raise forms.ValidationError(str(error)) from error
        return given


@admin.register(ApiKey)
class ApiKeyAdmin(ForAgent, Log, ModelAdmin):
    """Keys are made here and shown once; then there is nothing to change but that they end."""

    list_display = [
        "name", "prefix", links.column("owner"), "shown_agent", "shown_state", "created_at", "expires_at",
        "last_used_at",
    ]  # fmt: skip
    list_filter = [StateFilter]
    list_select_related = ["owner"]
    search_fields = ["prefix__exact", "owner__username__exact", "name"]
    search_help_text = "A key's prefix or name, or a user's whole name"
    ordering = ["-created_at", "-id"]
    autocomplete_fields = ["owner"]
    exclude = ["digest"]
    actions = ["revoke", "rotate"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """As Django has it: `Log` says never."""
        return request.user.has_perm("thundergate.add_apikey")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Only a new key has a form."""
        return super().get_form(request, obj, change, **kwargs if obj else {**kwargs, "form": KeyForm})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What one gives for a new one; all that is known of another."""
        if obj is None:
            return [(None, {"fields": ["name", "owner", "scopes", "zones", "agent_id", "days"]})]
        return super().get_fieldsets(request, obj)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Make it, and show it on the next page, this once."""
        given = form.cleaned_data
        made = keys.issue(
            given["owner"], name=given["name"], scopes=given["scopes"], agent_id=given["agent_id"], days=given["days"],
            by=actor(request),
        )  # fmt: skip
        row = ApiKey.objects.get(pk=made.id)
        obj.__dict__.update({name: value for name, value in row.__dict__.items() if name != "_state"})
        self._show(request, made)

    def _show(self, request: HttpRequest, made: keys.Issued) -> None:
        messages.warning(request, f"The key, which is shown this once: {made.secret}")

    @display(description="state", label=STATE_COLOURS)
    def shown_state(self, row: ApiKey) -> str:
        """At this moment, as a coloured label."""
        return row.state(timezone.now())

    @admin.action(description="Revoke: good for nothing from now on", permissions=["operate"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """The chosen ones, and what they were exchanged for; their connections are closed."""
        ids = list(queryset.order_by().values_list("pk", flat=True))
        revoked = keys.revoke(ids, by=actor(request), reason="revoked in the admin")
        self.message_user(request, f"{len(revoked)} revoked.")

    @admin.action(description="Put a new key in its place", permissions=["operate"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """One at a time, as it is shown."""
        ids = list(queryset.order_by().values_list("pk", flat=True)[:2])
        if len(ids) != 1:
            self.message_user(request, "Choose one key: the new one is shown once.", messages.ERROR)
            return
        try:
            self._show(request, keys.rotate(ids[0], by=actor(request)))
        except GateError as error:
            self.message_user(request, str(error), messages.ERROR)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may change keys, though not row by row."""
        return request.user.has_perm("thundergate.change_apikey")


class GrantForm(forms.ModelForm):
    """Somebody, an agent, and for how long."""

    days = forms.FloatField(
        required=False, min_value=0.001, max_value=3660, widget=UnfoldAdminDecimalFieldWidget(),
        help_text="For so many days; empty: until it is ended.",
    )  # fmt: skip

    class Meta:
        model = MemoryGrant
        fields = ["user", "agent_id"]


@admin.register(MemoryGrant)
class MemoryGrantAdmin(ForAgent, Large, ModelAdmin):
    """Who may read what an agent remembers that is not theirs."""

    list_display = ["__str__", links.column("user"), "shown_agent", "granted_by", "granted_at", "expires_at"]
    list_select_related = ["user"]
    search_fields = ["user__username__exact"]
    search_help_text = "A user's whole name"
    ordering = ["-granted_at", "-id"]
    autocomplete_fields = ["user"]
    form = GrantForm

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never: granting again changes it."""
        return False

    def save_model(self, request: HttpRequest, obj: MemoryGrant, form: Any, change: bool) -> None:
        """Grant it."""
        given = form.cleaned_data
        grants.grant(given["user"], given["agent_id"], days=given["days"], by=actor(request))
        obj.pk = MemoryGrant.objects.values_list("pk", flat=True).get(user=given["user"], agent_id=given["agent_id"])

    def delete_model(self, request: HttpRequest, obj: MemoryGrant) -> None:
        """End it, and tell."""
        grants.end(obj.user, obj.agent_id, by=actor(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MemoryGrant]) -> None:
        """Each as one."""
        for row in queryset.select_related("user"):
            self.delete_model(request, row)
