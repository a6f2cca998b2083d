"""Signing in, and passwords: changed, forgotten, new."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import (
    LoginView,
    PasswordChangeView,
    PasswordResetConfirmView,
    PasswordResetDoneView,
    PasswordResetView,
)
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django_htmx.http import HttpResponseClientRedirect

from domains.thundergate import tokens


@method_decorator(login_not_required, name="dispatch")
class SignIn(LoginView):
    """The login page. A poll that ends up here, its session over, sends its whole page here instead."""

    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.headers.get("HX-Request") and not request.user.is_authenticated:
            shown = request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]
            return HttpResponseClientRedirect(f"{reverse('login')}?{urlencode({'next': shown})}")
        return super().dispatch(request, *args, **kwargs)


def locked_out(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Too many failed logins of this name from this address: 429, and when to come back."""
    wait_s = settings.CONFIG.login_wait_s
    response = render(request, "registration/locked_out.html", {"minutes": -(-wait_s // 60)}, status=429)
    response["Retry-After"] = str(wait_s)
    return response


class ChangePassword(PasswordChangeView):
    """One's own, with the old one. Other browsers, and tokens, are out; keys stay."""

    template_name = "registration/password.html"
    success_url = reverse_lazy("home")
    extra_context = {"heading": "Change your password", "button": "Change it"}

    def form_valid(self, form: Any) -> HttpResponse:
        """Change it, and end what was let in with the old one."""
        response = super().form_valid(form)
        _end_tokens(form.user)
        messages.success(self.request, "Your password is changed.")
        return response


@method_decorator(login_not_required, name="dispatch")
class ForgottenPassword(PasswordResetView):
    """Asks for the address; the answer is the same whether it is known or not."""

    template_name = "registration/forgotten.html"
    email_template_name = "registration/forgotten_mail.txt"
    subject_template_name = "registration/forgotten_subject.txt"
    extra_context = {"mails": settings.CONFIG.email_url is not None}


@method_decorator(login_not_required, name="dispatch")
class ForgottenSent(PasswordResetDoneView):
    """Says what comes next."""

    template_name = "registration/forgotten_sent.html"


@method_decorator([login_not_required, sensitive_post_parameters()], name="dispatch")
class NewPassword(PasswordResetConfirmView):
    """A new one, for who came by the link of the mail, which is good for an hour and once."""

    template_name = "registration/password.html"
    success_url = reverse_lazy("login")
    extra_context = {"heading": "Choose a new password", "button": "Use it from now on"}

    def form_valid(self, form: Any) -> HttpResponse:
        """Set it, and end what was let in with the old one."""
        response = super().form_valid(form)
        _end_tokens(form.user)
        return response


def _end_tokens(user: Any) -> None:
    tokens.revoke_all(user_id=user.pk, by=f"user:{user.get_username()}", reason="the password was changed")
