"""What all panels' views share: the cluster, the lock of a change, and what is said after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import Concatenate, ParamSpec

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from lvs import models
from lvs.config.model import LvsConfig, Severity
from piranha_web import audit
from piranha_web.context import cluster_of, current_cluster
from piranha_web.forms.panel import Judged, added, sentence

MOST_PROBLEMS = 5  # of one change that are said on a page

P = ParamSpec("P")
PanelView = Callable[Concatenate[HttpRequest, models.Cluster, P], HttpResponse]


def panel(view: PanelView[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Hands the view its cluster; without one, the way leads to the first step.

    A POST runs in one transaction with the cluster locked, so that nobody changes in between what the form
    was judged against; what it changes in the candidate is in the audit log with it. A form that was only to
    be judged says so as JSON.
    """

    def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        is_shown = request.method != "POST"
        cluster = cluster_of(request) if is_shown else current_cluster(request)
        if cluster is None:
            return redirect("cluster-create")
        if is_shown:
            return view(request, cluster, *args, **kwargs)
        try:
            with transaction.atomic():
                locked = models.Cluster.objects.select_for_update().get(pk=cluster.pk)
                with audit.watched(request, locked):
                    return view(request, locked, *args, **kwargs)
        except Judged as judged:
            return JsonResponse(judged.verdict)

    update_wrapper(wrapper, view)
    return require_http_methods(["GET", "HEAD", "POST"])(wrapper)


def say_saved(request: HttpRequest, text: str, warnings: Iterable[str]) -> None:
    """What was done, and what the rules find odd about it."""
    messages.success(request, f"{text} Apply to put it in service.")
    for warning in warnings:
        messages.warning(request, warning)


def is_sound(request: HttpRequest, before: LvsConfig, after: LvsConfig) -> bool:
    """Whether a verb brings no new error; says the errors, or else the warnings, that it does bring."""
    found = added(before, after)
    errors = [problem for problem in found if problem.severity is Severity.ERROR]
    say, of_what = (messages.error, "Nothing was changed. ") if errors else (messages.warning, "")
    told = errors or found
    for problem in told[:MOST_PROBLEMS]:
        say(request, f"{of_what}{sentence(problem)}")
    if len(told) > MOST_PROBLEMS:
        say(request, f"{of_what}And {len(told) - MOST_PROBLEMS} more of the kind.")
    return not errors


def back(request: HttpRequest, address: str, otherwise: str = "control") -> HttpResponseRedirect:
    """To the page that a verb was on, if that is one of ours."""
    is_ours = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(address if address.startswith("/") and is_ours else reverse(otherwise))
