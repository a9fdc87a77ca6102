"""Second factors for tests: an app whose codes last for hours, so that no test depends on the clock."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from piranha_web.access import second_factor

LONG = 30_000  # seconds in which an app shows the same code; with the next and the last one a day


def app_of(name: str) -> Any:
    """An app that the account has confirmed."""
    user, _made = User.objects.get_or_create(username=name, defaults={"password": "!"})
    return TOTPDevice.objects.create(user=user, name="app", confirmed=True, step=LONG)


def in_the_making(name: str) -> Any:
    """An app that the account is setting up, with codes that last as long: the one begun, or a new one."""
    user = User.objects.get(username=name)
    device = second_factor.in_the_making(user) or second_factor.start(user)
    device.step = LONG
    device.save(update_fields=["step"])
    return device


def code_of(device: Any, ahead: int = 0) -> str:
    """What the app shows, now or so many codes later."""
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits)
    return f"{totp_at(totp, ahead):06d}"


def totp_at(totp: TOTP, ahead: int) -> int:
    """A code as a number."""
    totp.drift = ahead
    return int(totp.token())


def wrong(device: Any) -> str:
    """Six digits that are none of its codes just now."""
    right = {code_of(device, ahead) for ahead in (-2, -1, 0, 1, 2)}
    return next(f"{number:06d}" for number in range(10) if f"{number:06d}" not in right)


def first_step(name: str, password: str, **where: str) -> Client:
    """A browser that has given the password and is asked for a code."""
    client = Client(**where)  # type: ignore[arg-type]
    response = client.post("/login", {"username": name, "password": password})
    assert (response.status_code, response["Location"]) == (302, "/login/code")
    return client
