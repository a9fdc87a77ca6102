"""The addresses that the pages are served on, as PIRANHA_BIND has them, and who can reach those."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address


def binds(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Addresses, names and unix:PATHs; IPv6 addresses without their brackets."""
    found = words(environment.get("PIRANHA_BIND", ""))
    return tuple(one.strip("[]") for one in found) or ("127.0.0.1",)


def words(text: str) -> list[str]:
    """A variable's text as a list, split at commas and blanks."""
    return text.replace(",", " ").split()


def is_socket(bind: str) -> bool:
    """Whether it is a unix socket."""
    return bind.startswith("unix:")


def is_network(bind: str) -> bool:
    """Whether it is an address or a name."""
    return not is_socket(bind)


def is_local(bind: str) -> bool:
    """Whether nobody but this machine reaches it."""
    if is_socket(bind) or bind.lower() == "localhost":
        return True
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return False


def only_by_tls(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a request that did not come by TLS, to a proxy or to us, came a way that it should not have."""
    return any(not is_local(one) for one in binds(environment))
