"""The words that models are asked with. A version is never changed: saving writes the next one, which is used then."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from agents import actions
from agents.actions.minds import MAX_NOTE
from agents.admin.shown import label
from agents.errors import AgentError
from agents.minds import endpoints, prompts
from agents.models import PromptTemplate
from domains.readonly import Large, Lasting, actor
from domains.thunderblock.doors import Refusing


def _source(rows: int) -> UnfoldAdminTextareaWidget:
    return UnfoldAdminTextareaWidget(attrs={"rows": rows, "class": "template-source", "spellcheck": "false"})


class PromptTemplateForm(forms.ModelForm):
    """Words that come out for an agent that has some of everything, and for one that has nothing."""

    system = forms.CharField(
        label="System", widget=_source(18), strip=False, help_text="Who the agent is; it changes seldom."
    )
    user = forms.CharField(label="User", widget=_source(30), strip=False, help_text="How things stand at this tick.")
    note = forms.CharField(
        required=False, max_length=MAX_NOTE, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="What is new in this version, and why.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["note"] = ""  # that of the next version, not of this one

    def clean(self) -> dict[str, Any]:
        """Try the templates, and say which one fails where."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "system" in cleaned and "user" in cleaned:
            try:
                prompts.check(cleaned["system"], cleaned["user"])
            except prompts.BadTemplate as error:
                part, _, wrong = str(error).partition(": ")
                self.add_error(part, wrong)
        return cleaned

    class Meta:
        model = PromptTemplate
        fields = ["system", "user", "note"]


@admin.register(PromptTemplate)
class PromptTemplateAdmin(Refusing, Large, Lasting, ModelAdmin):
    domain = "thunderpac"
    refusals = (AgentError,)
    form = PromptTemplateForm
    list_display = ["__str__", "shown_state", "author", "note", "inserted_at"]
    search_fields = ["author", "note"]
    search_help_text = "Part of an author's name, or of what is noted"
    ordering = ["-version"]
    list_before_template = "admin/agents/prompts.html"
    actions = ["use_again"]
    ABOUT = ("version", "shown_state", "author", "inserted_at", "noted")

    def get_fieldsets(self, request: HttpRequest, obj: PromptTemplate | None = None) -> Any:
        """The version that one starts from, and the words of the next."""
        words = (
            "The words of the next version" if obj else "The words",
            {"fields": ["system", "user", "note"], "description": _vocabulary()},
        )
        return [("The version that you start from", {"fields": list(self.ABOUT)}), words] if obj else [words]

    def get_readonly_fields(self, request: HttpRequest, obj: PromptTemplate | None = None) -> list[str]:
        """What is written stays."""
        return list(self.ABOUT) if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new version starts from the one in use."""
        words = endpoints.words()
        return {"system": words.system, "user": words.user}

    @display(description="state", ordering="active")
    def shown_state(self, template: PromptTemplate) -> SafeString:
        """Whether it is in use, as a coloured label."""
        return label("in use", "success") if template.active else label("kept", "")

    @display(description="note")
    def noted(self, template: PromptTemplate) -> str:
        """As it was given; the form asks for another."""
        return PromptTemplate.objects.values_list("note", flat=True).get(pk=template.pk)

    def save_model(self, request: HttpRequest, obj: PromptTemplate, form: Any, change: bool) -> None:
        """Write the next version; the row that the form was opened with stays as it is."""
        given = {name: form.cleaned_data[name] for name in ("system", "user", "note")}
        written = actions.write_prompt(**given, by=actor(request))
        obj.pk, obj.version, obj.active = written.pk, written.version, True

    def response_add(self, request: HttpRequest, obj: PromptTemplate, post_url_continue: Any = None) -> HttpResponse:
        """Say which version it became."""
        return self._written(request, obj)

    def response_change(self, request: HttpRequest, obj: PromptTemplate) -> HttpResponse:
        """The same: a change is an addition."""
        return self._written(request, obj)

    @staticmethod
    def _written(request: HttpRequest, obj: PromptTemplate) -> HttpResponse:
        messages.success(request, f"Version {obj.version} is written and in use.")
        if "_continue" in request.POST:
            return HttpResponseRedirect(reverse("admin:agents_prompttemplate_change", args=[obj.pk]))
        return HttpResponseRedirect(reverse("admin:agents_prompttemplate_changelist"))

    @admin.action(description="Use this version again", permissions=["change"])
    def use_again(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> None:
        """Use an older version from now on."""
        versions = list(queryset.values_list("version", flat=True)[:2])
        if len(versions) != 1:
            messages.error(request, "Choose one version: only one can be in use.")
            return
        use = partial(actions.use_prompt, versions[0], by=actor(request))
        self.tell(request, f"Version {versions[0]} is in use.", use)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the version in use, and the way back to the shipped one."""
        more = {"words": endpoints.words(), "may_change": self.has_change_permission(request)}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def get_urls(self) -> list[Any]:
        """What the button above the list asks for."""
        shipped = self.admin_site.admin_view(require_POST(self.use_shipped))
        return [path("shipped/", shipped, name="agents_prompttemplate_shipped"), *super().get_urls()]

    def use_shipped(self, request: HttpRequest) -> HttpResponse:
        """Use the words that came with the project."""
        if self.has_change_permission(request):
            self.tell(request, "The shipped words are in use.", partial(actions.use_prompt, 0, by=actor(request)))
        return HttpResponseRedirect(reverse("admin:agents_prompttemplate_changelist"))


def _vocabulary() -> SafeString:
    """What a template may speak of."""
    names = format_html_join("", "<li><code>{}</code> {}</li>", prompts.CONTEXT.items())
    advice = "Jinja. What comes from the world should go through <code>tojson</code>. There is:"
    return format_html(f'{advice}<ul class="vocabulary">{{}}</ul>', names)
