"""The certificate that the web server makes for itself: one file, PIRANHA_VAR/tls.pem, key and certificate.

It is made at the first start, and again in its last 30 days, or when the server starts under a name or an
address that it is not for. A certificate that changes has every browser ask again, so nothing else does that.
"""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from lvs.machines import rights
from piranha_web.tls import making
from piranha_web.tls.certificates import Certificate, TlsRefused, chain, described, usable

RENEW_BEFORE = timedelta(days=30)


def ensure(path: Path, names: Sequence[str], now: datetime) -> tuple[Certificate, str]:
    """The certificate at path, made if it must be; why it was made, "": it was not.

    names: what it must be good for; none: those that it has.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(rights.open_lock(path.with_suffix(".lock")), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several that see it end at once, one makes the next
        why, wanted = reason(path, names, now)
        if why:
            made, key = making.self_signed(wanted, now)
            making.write(path, making.pem_of_key(key) + making.pem(made))
        return usable(path, path, max(now, described(chain(path)[0]).not_before)), why


def renew(path: Path, names: Sequence[str], now: datetime) -> Certificate:
    """A new one, whatever the old one is."""
    made, key = making.self_signed(names, now)
    making.write(path, making.pem_of_key(key) + making.pem(made))
    return usable(path, path, now)


def reason(path: Path, names: Sequence[str], now: datetime) -> tuple[str, Sequence[str]]:
    """Why a new one is needed, "": it is not; and for which names."""
    if not path.exists():
        return "there was none", names
    try:
        old = described(chain(path)[0])
        usable(path, path, old.not_before)  # when it ends is looked at below; a clock that is slow makes none
    except TlsRefused as error:
        return f"the one before could not be used: {error}", names
    wanted = names or old.names
    if old.left(now) <= RENEW_BEFORE:
        return f"the one before ends on {old.not_after:%Y-%m-%d}", wanted
    if missing := [name for name in wanted if name not in old.names]:
        return f"the one before is not for {', '.join(missing)}", wanted
    return "", wanted
