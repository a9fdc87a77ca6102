"""A second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when it is lost.

The rows are django-otp's. The key of an app must be readable here, as both sides calculate with it; recovery
codes are kept as keyed hashes. A code counts once. Wrong ones make the next wait, each time twice as
long; not from networks from which the account has logged in before: there `piranha_web.access.lockout` bounds
them, and somebody elsewhere, even with the password, cannot keep the owner out.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import segno
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from piranha_web import audit
from piranha_web.access import lockout
from piranha_web.access.failures import wait_in_words

CODES = 10
CODE_LENGTH = 10
SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
DIGITS = 6
SET_UP_LASTS = timedelta(minutes=15)  # from the key to the first code of it
WRONG = (
    "This code is not right, or was used before. Wait for the next one of your app, or use a recovery code."
)
NONE = "There is no second factor to check this against. Log in again."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a code. left: recovery codes that remain, None: it was the app's; why: of a refusal."""

    ok: bool
    left: int | None = None
    why: str = ""


def device_of(name: str) -> Any | None:
    """The app that an account has confirmed; None: it has no second factor."""
    return TOTPDevice.objects.filter(user__username=name, confirmed=True).first()


def holders() -> dict[str, datetime]:
    """Every account that has one, and since when."""
    found = TOTPDevice.objects.filter(confirmed=True).values_list("user__username", "created_at")
    return dict(found)


def in_the_making(user: User) -> Any | None:
    """The app that is being set up; None: none is (any more).

    Its key is on the page. Left lying, it would let whoever comes to an open session later set up a second
    factor of their own, which takes the password.
    """
    return TOTPDevice.objects.filter(unconfirmed(user)).first()


def unconfirmed(user: User) -> Q:
    """The rows of a set-up that has not ended."""
    return Q(user=user, confirmed=False, created_at__gt=timezone.now() - SET_UP_LASTS)


@transaction.atomic
def start(user: User) -> Any:
    """A new key, which counts for nothing before a code of it was seen."""
    TOTPDevice.objects.filter(user=user, confirmed=False).delete()
    return TOTPDevice.objects.create(user=user, name="app", confirmed=False)


@transaction.atomic
def confirm(user: User, text: str) -> list[str] | None:
    """Takes the app into use if this is a code of it, in the place of any other; its recovery codes.

    None: it is no code of it, or that set-up has ended.
    """
    made = TOTPDevice.objects.select_for_update().filter(unconfirmed(user)).first()
    if made is None or not is_code(plain(text)):
        return None
    made.throttle_reset(commit=False)  # whoever sets it up has its key before their eyes
    if not made.verify_token(plain(text)):
        return None
    TOTPDevice.objects.filter(user=user).exclude(pk=made.pk).delete()
    made.confirmed = True
    made.save(update_fields=["confirmed"])
    return new_codes(user)


@transaction.atomic
def new_codes(user: User) -> list[str]:
    """Other recovery codes in the place of the present ones; they are kept nowhere as they are."""
    codes = ["".join(secrets.choice(SIGNS) for _ in range(CODE_LENGTH)) for _ in range(CODES)]
    StaticDevice.objects.filter(user=user).delete()
    made = StaticDevice.objects.create(user=user, name="recovery codes")
    StaticToken.objects.bulk_create(StaticToken(device=made, token=digest(user, one)) for one in codes)
    return [f"{one[:5]}-{one[5:]}" for one in codes]


def codes_left(user: User) -> int:
    """How many recovery codes are unused."""
    return int(StaticToken.objects.filter(device__user=user).count())


def digest(user: User, code: str) -> str:
    """A recovery code as it is kept: 96 bits of a hash that takes the site's key to calculate."""
    made = salted_hmac("piranha.recovery-codes", f"{user.pk}:{code}", algorithm="sha256").digest()
    return base64.urlsafe_b64encode(made[:12]).decode("ascii")


def plain(text: str) -> str:
    """What was typed, without the signs that only make it easier to read."""
    return "".join(text.split()).replace("-", "").lower()


def is_code(said: str) -> bool:
    """Whether it has the form of an app's code."""
    return len(said) == DIGITS and said.isascii() and said.isdecimal()


def check(request: HttpRequest, user: User, text: str) -> Verdict:
    """Whether this is a code of that account, which has none but this moment: it does not count again.

    A wrong one counts like a wrong password, and goes into the audit log.
    """
    name, now = user.get_username(), timezone.now()
    if lock := lockout.lock_of(request, name):
        return Verdict(False, why=lockout.refusal(lock, now))
    verdict = verified(user, text, patient=lockout.is_known(request, name), now=now)
    if verdict.why == WRONG:
        audit.record(
            request,
            audit.Action.SECOND_FACTOR,
            f"gave a wrong code for {name}",
            target=name,
            outcome=audit.Outcome.REFUSED,
        )
        lockout.failed(request, name)
    return verdict


@transaction.atomic
def verified(user: User, text: str, *, patient: bool, now: datetime) -> Verdict:
    """The same without counting. patient: no earlier wrong code makes this one wait, nor this a later one."""
    said = plain(text)
    model = TOTPDevice if is_code(said) else StaticDevice
    device = model.objects.select_for_update().filter(user=user, confirmed=True).first()
    if device is None:
        return Verdict(False, why=NONE)
    before = device.throttling_failure_count, device.throttling_failure_timestamp
    if patient:
        device.throttling_failure_count = 0
    may, why = device.verify_is_allowed()
    if not may:
        wait = wait_in_words(why["locked_until"], now)
        return Verdict(False, why=f"Too many wrong codes. Wait {wait}, then try again.")
    if device.verify_token(said if is_code(said) else digest(user, said)):
        return Verdict(True, left=None if is_code(said) else codes_left(user))
    if patient:
        device.throttling_failure_count, device.throttling_failure_timestamp = before
        device.save()
    return Verdict(False, why=WRONG)


@transaction.atomic
def take_away(name: str) -> bool:
    """The account has no second factor any more; False: it had none."""
    found = TOTPDevice.objects.filter(user__username=name)
    had_one = bool(found.filter(confirmed=True).exists())
    found.delete()
    StaticDevice.objects.filter(user__username=name).delete()
    return had_one


def end_waits(name: str | None) -> int:
    """Wrong codes of an account (None: of each) make the next one wait no more; how many waits that were."""
    ended = 0
    for model in (TOTPDevice, StaticDevice):
        rows = model.objects.filter(throttling_failure_count__gt=0)
        rows = rows if name is None else rows.filter(user__username=name)
        ended += rows.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    return ended


def picture(device: Any) -> str:
    """The key as a QR code, in SVG that can stand in a page: no style, dark on light in both themes."""
    code = segno.make(device.config_url, error="m", micro=False)
    return str(code.svg_inline(omitsize=True, dark="#000", light="#fff", svgclass="qr", lineclass=None))


def key_in_words(device: Any) -> str:
    """The key as one types it into an app that sees no picture: Base32 in groups of four."""
    text = base64.b32encode(device.bin_key).decode("ascii").rstrip("=")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))
