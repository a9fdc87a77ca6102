"""A configuration in the shape in which pulse works with it, made from the text of an lvs.cf."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lvs.config import check
from lvs.config.keywords import is_only_kept
from lvs.config.memo import Memo
from lvs.config.model import LvsConfig, Problem, Severity, VirtualServer
from lvs.config.reader import decode
from lvs.errors import InvalidConfig, ParseError
from lvs.nanny import checks
from lvs.nanny.checker import Target, Watched
from lvs.nanny.health import patience
from lvs.router.plan import active_members, floating_addresses, service_key
from lvs.router.state import InterfaceAddress, ServiceKey


@dataclass(frozen=True, slots=True)
class Running:
    """A configuration that may be in force.

    text: the file's, bytes that are not UTF-8 as surrogates; sha256 of its bytes in hexadecimal. warnings:
    what the administrator should know of it. watched: each real server that is to be checked, and how.
    floating: the addresses of the active router.
    """

    text: str
    sha256: str
    config: LvsConfig
    warnings: tuple[Problem, ...]
    watched: dict[Target, Watched]
    floating: frozenset[InterfaceAddress]

    @property
    def serial(self) -> int:
        return self.config.global_settings.serial_no

    @property
    def standing(self) -> tuple[Problem, ...]:
        """The warnings that call for something; the rest was said when the file was checked and installed."""
        return tuple(problem for problem in self.warnings if not is_only_kept(problem))

    @property
    def readable(self) -> str:
        """The text without surrogates: old Latin-1 files as the text they are."""
        return decode(self.text.encode(errors="surrogateescape"))[0]


def understood(text: str) -> Running:
    """The configuration of text; raises ParseError or InvalidConfig with every error in it."""
    try:
        raw = text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        reason = f"character {error.start + 1} is none that UTF-8 has: remove it"
        raise ParseError([Problem(message=reason)]) from error
    decoded, notes = decode(raw)
    reading = check.check(decoded)
    problems = (*notes, *reading.problems)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise (InvalidConfig if reading.complete else ParseError)(errors)
    if reading.open_end:
        # Half a file would take half of the cluster out of service.
        reason = "the file ends inside a block and may have been cut off: complete it, or add the missing }"
        raise ParseError([Problem(message=reason, line=decoded.count("\n") + 1)])
    return Running(
        text=text,
        sha256=hashlib.sha256(raw).hexdigest(),
        config=reading.config,
        warnings=(*problems, *checks.problems(reading.config)),
        watched=watched(reading.config),
        floating=floating_addresses(reading.config),
    )


def watched(config: LvsConfig) -> dict[Target, Watched]:
    """Every active real server of an active virtual server that has what it takes to be checked, and how.

    Where several virtual servers make one service (a shared firewall mark), the first to name a real server
    says how it is checked.
    """
    found: dict[Target, Watched] = {}
    taken: set[ServiceKey] = set()
    for virtual_server in config.virtual_servers:
        key = service_key(virtual_server)
        if not virtual_server.active or key is None:
            continue
        own = _watched(virtual_server)
        if key in taken:
            own = {target: how for target, how in own.items() if target not in found}
        found.update(own)  # at once, which is many times quicker than one by one
        taken.add(key)
    return found


@Memo
def _watched(virtual_server: VirtualServer) -> dict[Target, Watched]:
    """How the real servers of one active virtual server are watched."""
    given = patience(
        timeout=virtual_server.timeout, reentry=virtual_server.reentry, failures=virtual_server.failures
    )
    found: dict[Target, Watched] = {}
    for real_server, place in active_members(virtual_server):
        check_of_it = checks.check_of(virtual_server, real_server)
        if check_of_it:
            found.setdefault(place, Watched(check_of_it, given))
    return found
