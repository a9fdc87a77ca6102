"""ALERTS: what is wrong now, who is told of what, and whether that works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import redis
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from lvs import dispatch, models
from lvs.reported import reports
from piranha_web import audit
from piranha_web.access.roles import ADMINISTRATOR, OPERATOR, VIEWER, needs, rights_of
from piranha_web.alerts import sending, targets
from piranha_web.alerts.rules import KINDS
from piranha_web.alerts.targets import Target, TargetRefused
from piranha_web.context import cluster_of
from piranha_web.forms.alerts import ChoiceForm, QuietForm, TargetForm

State = models.AlertMessage.State
MOST_MESSAGES = 20
TEST = (
    "! Test of Piranha Web",
    "Somebody has asked for this test on ALERTS. Nothing is wrong; alerts come this way.",
    "warning",
)
administrators = needs(ADMINISTRATOR, everywhere=True)


@dataclass(frozen=True, slots=True)
class Row:
    """A target as the page shows it. last: its last message that ended; waiting: messages not sent yet."""

    target: Target
    last: models.AlertMessage | None
    waiting: int
    error: str


@needs(VIEWER, ADMINISTRATOR, everywhere=True)
@require_http_methods(["GET", "HEAD", "POST"])
def alerts(request: HttpRequest) -> HttpResponse:
    """The page; a POST adds a target."""
    form = TargetForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and is_added(request, form):
        return redirect("alerts")
    return render(request, "alerts/page.html", context_of(request, form, ChoiceForm(None, instance=chosen())))


@administrators
@require_POST
def alerts_choose(request: HttpRequest) -> HttpResponse:
    """What is told."""
    form = ChoiceForm(request.POST, instance=chosen())
    if not form.is_valid():
        return render(request, "alerts/page.html", context_of(request, TargetForm(), form))
    with transaction.atomic():
        made = form.save()
        off = ", ".join(made.off) or "nothing"
        text = (
            f"alerts: a reminder every {made.remind_hours} h, real servers after {made.servers_after} s, "
            f"not told: {off}"
        )
        audit.record(request, audit.Action.ALERT, text)
    messages.success(request, "Saved. It counts from the next look on, within seconds.")
    return redirect("alerts")


@administrators
@require_POST
def alerts_remove(request: HttpRequest) -> HttpResponse:
    """One target less."""
    try:
        with transaction.atomic():
            gone = targets.remove(settings.PIRANHA_ALERTS_FILE, request.POST.get("target", ""))
            audit.record(request, audit.Action.ALERT, f"nobody is alerted by {gone.mask}", target=gone.id)
    except (TargetRefused, OSError) as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        messages.success(request, f"Removed {gone.mask}.")
    return redirect("alerts")


@administrators
@require_POST
def alerts_test(request: HttpRequest) -> HttpResponse:
    """Sends a message now, and says what the other side answered."""
    try:
        target = targets.found(settings.PIRANHA_ALERTS_FILE, request.POST.get("target", ""))
    except (TargetRefused, OSError) as error:
        messages.error(request, str(error))
        return redirect("alerts")
    answer = sending.send(target, *TEST)
    outcome = audit.Outcome.DONE if answer.ok else audit.Outcome.FAILED
    text = f"test alert to {target.mask}: {answer.said}"
    audit.record(request, audit.Action.ALERT, text, target=target.id, outcome=outcome)
    if answer.ok:
        messages.success(request, f"{target.mask} has taken the test: {answer.said}")
    else:
        messages.error(request, f"The test did not reach {target.mask}: {answer.said}")
    return redirect("alerts")


@needs(OPERATOR)
@require_POST
def alerts_quiet(request: HttpRequest) -> HttpResponse:
    """Nothing is told until a moment; with `end`: from now on again."""
    cluster = cluster_of(request)
    row = chosen()
    wants_all = "everywhere" in request.POST or cluster is None
    refused = refusal(request, row, wants_all=wants_all and "end" not in request.POST)
    if refused:
        messages.error(request, f"Nothing was changed: {refused}")
        return redirect("alerts")
    if "end" in request.POST:
        row.quiet_until = None
        keep_quiet(request, row, "alerts are told again")
        messages.success(request, "Alerts are told again; what is wrong now is told within seconds.")
        return redirect("alerts")
    form = QuietForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Nothing was changed: {first_fault(form)}")
        return redirect("alerts")
    row.quiet_until = form.end
    row.quiet_cluster = "" if wants_all or cluster is None else cluster.name
    row.quiet_by, row.quiet_reason = request.user.get_username(), form.cleaned_data["reason"]
    what = row.quiet_cluster or "all clusters"
    end = f"{timezone.localtime(form.end):%Y-%m-%d %H:%M}"
    keep_quiet(
        request,
        row,
        f"no alerts of {what} until {end}" + (f": {row.quiet_reason}" if row.quiet_reason else ""),
    )
    messages.success(
        request, f"Nothing is told of {what} until {end}. What is still wrong then is told then."
    )
    return redirect("alerts")


def refusal(request: HttpRequest, row: models.AlertChoice, *, wants_all: bool) -> str:
    """Why whoever asks may not end or replace what is quiet now, or have all be quiet; "": they may.

    What is over binds nobody. There is one row, so who makes their own cluster quiet ends another's.
    """
    found = rights_of(request)
    is_quiet = row.quiet_until is not None and row.quiet_until > timezone.now()
    if found.everywhere < OPERATOR and (wants_all or (is_quiet and not row.quiet_cluster)):
        return "that concerns all clusters, and your role only one."
    theirs = models.Cluster.objects.filter(name=row.quiet_cluster).first() if is_quiet else None
    if theirs is not None and found.of(theirs) < OPERATOR:
        return (
            f"it is quiet for {theirs.name} now, in which you may change nothing. Wait until that is over, "
            f"or ask {row.quiet_by or 'an operator of it'}."
        )
    return ""


def keep_quiet(request: HttpRequest, row: models.AlertChoice, text: str) -> None:
    """Saves it with its entry."""
    with transaction.atomic():
        row.save()
        audit.record(request, audit.Action.ALERT, text)


def first_fault(form: QuietForm) -> str:
    """What is wrong with what was typed."""
    return next((str(one) for faults in form.errors.values() for one in faults), "look at what you typed.")


def is_added(request: HttpRequest, form: TargetForm) -> bool:
    """Adds what the form says, in one transaction with its entry; what stands against it the form says."""
    name = request.user.get_username()
    try:
        with transaction.atomic():
            sending.usable(Target("", targets.judged(form.cleaned_data["url"])))
            made = targets.add(
                settings.PIRANHA_ALERTS_FILE,
                form.cleaned_data["url"],
                form.cleaned_data["note"],
                by=name,
                at=timezone.now().isoformat(timespec="seconds"),
            )
            audit.record(
                request, audit.Action.ALERT, f"alerts go to {made.mask}", target=made.id, note=made.note
            )
    except (TargetRefused, OSError) as error:
        form.add_error("url", str(error))
        return False
    messages.success(request, f"Alerts go to {made.mask} from now on. Test it.")
    return True


def chosen() -> models.AlertChoice:
    """What was chosen."""
    return models.AlertChoice.now()


def context_of(request: HttpRequest, form: TargetForm, choice: ChoiceForm) -> dict[str, object]:
    """Everything on the page."""
    problem, found = "", []
    try:
        found = rows_of(targets.read(settings.PIRANHA_ALERTS_FILE))
    except (TargetRefused, OSError) as error:
        problem = str(error)
    kept = choice.instance
    is_quiet = kept.quiet_until is not None and kept.quiet_until > timezone.now()
    return {
        "form": form,
        "choice": choice,
        "quiet": kept if is_quiet else None,
        "quiet_form": QuietForm(),
        "rows": found,
        "problem": problem,
        "open": [one for one in models.Alert.objects.filter(closed=False) if one.kind in KINDS],
        "kinds": KINDS,
        "recent": models.AlertMessage.objects.order_by("-pk")[:MOST_MESSAGES],
        "masks": {row.target.id: row.target.mask for row in found},
        "failed": any(row.error for row in found),
        "unwatched": silent_manager(),
    }


def rows_of(found: Sequence[Target]) -> list[Row]:
    """The targets with how their messages fared: those that wait and the last that ended, in one query."""
    ended = models.AlertMessage.objects.filter(target=OuterRef("target")).exclude(state=State.WAITING)
    mine = models.AlertMessage.objects.filter(target__in=[target.id for target in found])
    told = mine.filter(
        Q(state=State.WAITING) | Q(pk=Subquery(ended.order_by("-ended_at", "-pk").values("pk")[:1]))
    )
    by_target: dict[str, list[models.AlertMessage]] = {target.id: [] for target in found}
    for message in told.defer("body").order_by("pk"):
        by_target[message.target].append(message)
    return [row_of(target, by_target[target.id]) for target in found]


def silent_manager() -> str | None:
    """What there is to say of a manager's worker that is not heard; None: it is, or Redis cannot tell."""
    try:
        manager = reports.fetch(dispatch.broker(), [reports.MANAGER]).get(reports.MANAGER)
    except redis.RedisError:  # of which the worker itself tells
        return None
    return None if manager is not None and manager.is_heard else dispatch.NO_MANAGER


def row_of(target: Target, mine: Sequence[models.AlertMessage]) -> Row:
    """A target with how its messages fared."""
    waiting = [one for one in mine if one.state == State.WAITING]
    last = next((one for one in mine if one.state != State.WAITING), None)
    stuck = next((one.error for one in reversed(waiting) if one.error), "")
    failed = last.error if last is not None and last.state == State.FAILED else ""
    return Row(target, last, len(waiting), stuck or failed)
