"""When a real server counts as healthy: the verdict over the results of its checks. Pure.

The theory (Piranha's nanny, with its faults mended):

- `unknown`: no check has ended. The first result decides at once, both ways: a table starts without the real
  server, so nothing is lost by believing bad news.
- `healthy` becomes `failed` after `Patience.failures` bad results in a row (Piranha: always 1).
- `failed` becomes `healthy` again after `Patience.returns` good results in a row; one bad result starts the
  count anew. A real server that has never been healthy since it is watched does not *return*: its first good
  result admits it.
- After a restart of pulse the kernel's table is believed (`adopted`) until a check says otherwise.

Time is an argument everywhere: seconds since the epoch, from the result that is judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lvs.router.state import Health


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended.

    reason: in the check's own words ("connect: refused"), also when it went well ("connected"). duration:
    seconds. at: when it ended, seconds since the epoch. warning: what is well now and will not stay so.
    """

    ok: bool
    reason: str
    duration: float
    at: float
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many results in a row it takes to change a verdict, each at least 1."""

    failures: int = 1
    returns: int = 1


def patience(*, timeout: float, reentry: float, failures: int) -> Patience:
    """The patience of a virtual server: `reentry` seconds of good news, a check every `timeout` seconds."""
    returns = math.ceil(reentry / timeout) if timeout > 0 else 1
    return Patience(failures=max(1, failures), returns=max(1, returns))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is held of one real server.

    since: when the health became what it is; checked_at: when the last check ended (both None: not yet).
    streak: results in a row that speak against `health`. admitted: it has been healthy since it is watched.
    failed: when it went out, the last times (seconds since the epoch), as far as they count for flapping.
    warning: that of the last result.
    """

    health: Health = Health.UNKNOWN
    reason: str = "not checked yet"
    since: float | None = None
    checked_at: float | None = None
    streak: int = 0
    admitted: bool = False
    failed: tuple[float, ...] = ()
    warning: str = ""

    def judge(self, result: Result, patience: Patience) -> Verdict:
        """The verdict after result; `health` differs from before exactly when there was a transition."""
        seen = replace(self, checked_at=result.at)
        if result.ok:
            return seen._good(result, patience)
        return seen._bad(result, patience)

    def _good(self, result: Result, patience: Patience) -> Verdict:
        if self.health is Health.HEALTHY:
            return replace(self, reason=result.reason, streak=0)
        streak = self.streak + 1
        if self.admitted and streak < patience.returns:
            progress = f"good check {streak} of {patience.returns} before it returns"
            return replace(self, reason=f"{result.reason} ({progress})", streak=streak)
        return replace(
            self, health=Health.HEALTHY, reason=result.reason, since=result.at, streak=0, admitted=True
        )

    def _bad(self, result: Result, patience: Patience) -> Verdict:
        if self.health is Health.FAILED:
            return replace(self, reason=result.reason, streak=0)
        streak = self.streak + 1
        if self.health is Health.HEALTHY and streak < patience.failures:
            progress = f"failed check {streak} of {patience.failures} before it goes out"
            return replace(self, reason=f"{result.reason} ({progress})", streak=streak)
        return replace(self, health=Health.FAILED, reason=result.reason, since=result.at, streak=0)


def adopted(*, serving: bool, at: float) -> Verdict:
    """The verdict on a real server found in the kernel's table at start.

    serving: it had a weight, or weight 0 by configuration; otherwise it was found quiesced after a failure,
    and must earn its return like any failed one.
    """
    if serving:
        return Verdict(Health.HEALTHY, "found in the kernel's table", since=at, admitted=True)
    return Verdict(Health.FAILED, "found quiesced in the kernel's table", since=at, admitted=True)
