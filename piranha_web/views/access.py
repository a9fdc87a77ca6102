"""ACCESS: the networks that may reach the site at all; for administrators of everything."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from piranha_web import audit
from piranha_web.access import allowed
from piranha_web.access.addresses import client_address
from piranha_web.access.allow_file import AllowRefused, Entry
from piranha_web.access.networks import Address, Network, address_of, covering, is_everything
from piranha_web.access.roles import ADMINISTRATOR, needs
from piranha_web.forms.access import NetworkForm

administrators = needs(ADMINISTRATOR, everywhere=True)


@dataclass(frozen=True, slots=True)
class Row:
    """A network of the list. is_own: whoever asks is in it; keeps: it is the only one that they are in."""

    entry: Entry
    is_own: bool
    keeps: bool
    within: Network | None
    is_everything: bool


@administrators
@require_http_methods(["GET", "HEAD", "POST"])
def access(request: HttpRequest) -> HttpResponse:
    """The list; a POST adds to it."""
    form = NetworkForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and is_added(request, form):
        return redirect("access")
    now = allowed.in_force()
    own = address_of(client_address(request))
    context = {
        "form": form,
        "now": now,
        "rows": rows_of(now.entries, own),
        "own": own,
        "is_loopback": own is not None and own.is_loopback,
        "by_proxy": request.META.get("REMOTE_ADDR", "") if is_by_proxy(request, own) else "",
        "file": settings.PIRANHA_ALLOW_FILE,
        "proxies": settings.PIRANHA_PROXIES,
        "proxy_socket": settings.PIRANHA_PROXY_SOCKET,
        "guard": settings.PIRANHA_GUARD,
        "port": settings.PIRANHA_PORT,
    }
    return render(request, "access/page.html", context)


@administrators
@require_POST
def access_remove(request: HttpRequest) -> HttpResponse:
    """Takes one off the list, unless whoever asks has no other."""
    text = request.POST.get("network", "")
    try:
        with transaction.atomic():
            network = allowed.asked_for(text)
            audit.record(request, audit.Action.ALLOW, f"no longer allowed {network}", target=str(network))
            left = allowed.remove(network, own=address_of(client_address(request)))
    except AllowRefused as error:
        messages.error(request, f"Nothing was changed. {error}")
    except OSError as error:
        messages.error(request, not_written(error))
    else:
        rest = "" if left else " Now only the machine that serves this site may reach it."
        messages.success(request, f"Removed {network}. It counts from the next request on.{rest}")
    return redirect("access")


def is_added(request: HttpRequest, form: NetworkForm) -> bool:
    """Adds what the form says, in one transaction with its entry; what stands against it the form says."""
    try:
        with transaction.atomic():
            network, note = allowed.asked_for(form.cleaned_data["network"]), form.cleaned_data["note"]
            text = f"allowed {network}" + (f" “{note}”" if note else "")
            audit.record(request, audit.Action.ALLOW, text, target=str(network), note=note)
            remark = allowed.add(
                network,
                note,
                by=request.user.get_username(),
                at=timezone.now(),
                everybody=form.cleaned_data["everybody"],
            )
    except allowed.EverybodyMeant as error:
        form.ask_whether_everybody_is_meant()
        form.add_error("network", str(error))
        return False
    except AllowRefused as error:
        form.add_error("network", str(error))
        return False
    except OSError as error:
        form.add_error(None, not_written(error))
        return False
    messages.success(request, " ".join(filter(None, [f"{network} may reach this site.", remark])))
    return True


def not_written(error: OSError) -> str:
    """Why nothing was changed."""
    return (
        f"Nothing was changed: {settings.PIRANHA_ALLOW_FILE} cannot be written "
        f"({error.strerror or error}). Mend that on the machine that serves this site."
    )


def is_by_proxy(request: HttpRequest, own: Address | None) -> bool:
    """Whether somebody between says who asks."""
    return own != address_of(str(request.META.get("REMOTE_ADDR", "")))


def rows_of(entries: tuple[Entry, ...], own: Address | None) -> list[Row]:
    """The list as the page shows it."""
    networks = [entry.network for entry in entries]
    mine = set() if own is None or own.is_loopback else set(covering(own, networks))
    return [
        Row(
            entry=entry,
            is_own=entry.network in mine,
            keeps=mine == {entry.network},
            within=next((other for other in networks if allowed.is_within(entry.network, other)), None),
            is_everything=is_everything(entry.network),
        )
        for entry in entries
    ]
