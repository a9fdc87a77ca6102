"""Enrolling a router: the page that shows the command once, and the one address that a router asks itself."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import redis
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import split_domain_port
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from lvs import models
from lvs.errors import LvsError
from lvs.flood import Flood
from piranha_web import audit, enrolling
from piranha_web.access.addresses import client_address, is_secure
from piranha_web.access.roles import ADMINISTRATOR, VIEWER, needs
from piranha_web.audit import Action, Outcome
from piranha_web.tls.certificates import TlsRefused
from piranha_web.tls.serving import Serving
from piranha_web.views.history import cluster_or_404

LARGEST = 4096  # bytes of what a router says
TRIES, WITHIN = (
    10,
    60.0,
)  # of one address; nobody guesses 256 bits, but each try costs a look into the database
MOST_ADDRESSES = 1000  # that are kept in mind; all others together are one
_SECRET = re.compile(r"[0-9a-f]{64}")


@needs(ADMINISTRATOR)
def router_enrol(request: HttpRequest, pk: int) -> HttpResponse:
    """How a router is enrolled; a POST makes the command, which this one answer shows and nobody keeps."""
    cluster = cluster_or_404(request)
    router = get_object_or_404(cluster.routers, pk=pk)
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponse(status=405)
    context = state_of(router) | {"router": router, "problem": problem()}
    if request.method == "POST":
        try:
            made = enrolling.invite(
                router,
                by=request.user.get_username(),
                now=timezone.now(),
                addresses=own_address(request),
            )
        except (LvsError, OSError) as error:
            messages.error(request, f"No token was made. {error}")
            return redirect("router-enrol", pk=pk)
        audit.record(
            request,
            Action.ENROL,
            f"made a token to enrol {router.name}, until {timezone.localtime(made.ends_at):%Y-%m-%d %H:%M}",
            cluster=cluster,
            target=router.name,
        )
        context |= {"made": made}
    return render(request, "routers/enrol.html", context)


@needs(ADMINISTRATOR)
@require_POST
def router_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Takes a router's way to the manager away."""
    cluster = cluster_or_404(request)
    router = get_object_or_404(cluster.routers, pk=pk)
    try:
        enrolling.revoke(router)
    except redis.RedisError as error:
        messages.error(
            request, f"{router.name} was not revoked: Redis cannot be reached ({error}). Try again."
        )
        outcome = Outcome.FAILED
    else:
        messages.success(
            request,
            f"{router.name} is revoked: its worker reaches nothing any more. It goes on balancing as it is. "
            "If somebody else has it, make a new key of the heartbeats as well (Redundancy).",
        )
        outcome = Outcome.DONE
    audit.record(
        request, Action.ENROL, f"revoked {router.name}", cluster=cluster, target=router.name, outcome=outcome
    )
    return redirect("router-enrol", pk=pk)


def own_address(request: HttpRequest) -> list[str]:
    """Where the administrator has reached this site, if a router could do the same."""
    name, _port = split_domain_port(request.get_host())
    reachable = is_secure(request) and not enrolling.is_loopback(name.strip("[]"))
    return [f"https://{request.get_host()}"] if reachable else []


def state_of(router: models.Router) -> dict[str, object]:
    """What is known of how the router was enrolled."""
    return {
        "last": models.Enrolment.last_of(router),
        "open": models.Enrolment.open_of(router, timezone.now()),
    }


def problem() -> str:
    """Why no token could be made now; "": one can."""
    try:
        enrolling.url_for_routers()
        enrolling.fingerprint_of(Serving.current(settings.VAR), "")
    except (LvsError, TlsRefused) as error:
        return str(error)
    return ""


@needs(VIEWER, always=True)
@csrf_exempt
@login_not_required
@require_POST
def enrol(request: HttpRequest) -> HttpResponse:
    """A router with its token (lvs.machines.joining). No cookie counts here and no form leads here, so there
    is no login and no token against forged forms. The allowlist stands before it, as before everything."""
    address = client_address(request)
    if not TRIED.may(address, time.monotonic()):
        audit.refused(request, Action.ENROL, "tried too many tokens")
        return told(429, "Too many tokens were tried from this address. Wait a minute.")
    try:
        secret, name = words_of(request)
        router, document = enrolling.admit(secret, name, address, timezone.now())
    except enrolling.NotAdmitted as error:
        audit.refused(request, Action.ENROL, f"was not let in as a router: {error}")
        return told(error.status, str(error))
    audit.record(request, Action.ENROL, f"enrolled {router.name}", cluster=router.cluster, target=router.name)
    return JsonResponse(document)


def words_of(request: HttpRequest) -> tuple[bytes, str]:
    """The secret and the router's name of what was sent. NotAdmitted."""
    if not is_secure(request):
        raise enrolling.NotAdmitted(404, "A router is let in by TLS alone: ask https://.")
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or len(length) > 4 or int(length) > LARGEST:
        raise enrolling.NotAdmitted(404, "This is nothing that `piranha join` says.")
    try:
        said = json.loads(request.body)
        secret, name = said["secret"], said["router"]
    except (ValueError, LookupError, TypeError, RecursionError):
        secret = name = None
    if not (isinstance(name, str) and isinstance(secret, str) and _SECRET.fullmatch(secret)):
        raise enrolling.NotAdmitted(404, "This is nothing that `piranha join` says.")
    return bytes.fromhex(secret), name


def told(status: int, sentence: str) -> HttpResponse:
    """A refusal, for the terminal of whoever runs `piranha join`."""
    return HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8")


@dataclass
class Tried:
    """How often each address tried. Of each process of the web server its own."""

    floods: OrderedDict[str, Flood] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def may(self, address: str, now: float) -> bool:
        """Whether one more try is looked at."""
        with self.lock:
            for old in [key for key, one in self.floods.items() if now - one.began >= WITHIN]:
                del self.floods[old]
            if address not in self.floods and len(self.floods) >= MOST_ADDRESSES:
                address = "many"
            flood = self.floods.setdefault(address, Flood(most=TRIES, seconds=WITHIN))
            return flood.heard(now) is not None


TRIED = Tried()
