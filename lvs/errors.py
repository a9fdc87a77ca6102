"""Every error this package raises, as a tree.

LvsError
  ConfigError            the configuration is at fault
    ParseError           lvs.cf cannot be read (problems: every one, with line and remedy)
    InvalidConfig        readable but makes no sense (problems: every one of them)
  RouterError            this machine would not do as it was told
    KernelError          netlink, netfilter or sysctl refused (change, reason)
    StaleSerial          a newer configuration is installed already
    PulseUnreachable     pulse's control socket does not answer
  HeartbeatError         a datagram we will not act on
  NotPossible            what was asked does not fit how things stand; nothing was changed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lvs.config.model import Problem


class LvsError(Exception):
    """Anything this package reports on purpose; caught only in entry points."""


class ConfigError(LvsError):
    """The configuration is at fault."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class ParseError(ConfigError):
    """lvs.cf cannot be read; nothing was taken from it."""


class InvalidConfig(ConfigError):
    """lvs.cf can be read, but what it says makes no sense."""


class RouterError(LvsError):
    """This machine would not do as it was told."""


class KernelError(RouterError):
    """Netlink, netfilter or sysctl refused a change."""

    def __init__(self, change: str, reason: str) -> None:
        self.change = change
        self.reason = reason
        super().__init__(f"{change}: {reason}")


class StaleSerial(RouterError):
    """A newer configuration is installed already."""


class PulseUnreachable(RouterError):
    """pulse's control socket does not answer."""


class HeartbeatError(LvsError):
    """A datagram we will not act on."""


class NotPossible(LvsError):
    """What was asked does not fit how things stand; nothing was changed."""
