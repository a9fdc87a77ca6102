"""When a real server counts as healthy: the verdict over the results of its checks. Pure.

The theory (Piranha's nanny, with its faults mended):

- `unknown`: no check has ended. The first result decides at once, both ways: a table starts without the real
  server, so nothing is lost by believing bad news.
- `healthy` becomes `failed` after `Patience.failures` bad results in a row (Piranha: always 1).
- `failed` becomes `healthy` again after `Patience.returns` good results in a row; one bad result starts the
  count anew. A real server that has never been healthy since it is watched does not *return*: its first good
  result admits it.
- One that went out FLAPS times or more within the last `Patience.window` seconds *flaps*: each time it
  returned, it took clients with it when it went out again. Its return then takes twice the good results, with
  each further failure twice as many again, up to MOST_DAMPING times `returns` (and LEAST_RETURNS at least,
  for those who return at once). The window is longer than the longest such wait (but for checks minutes
  apart), so that waiting does not by itself end the flapping. Failures grow old meanwhile, and the wait gets
  shorter with them: what is asked for is what the failures within the window ask for now.
- After a restart of pulse the kernel's table is believed (`adopted`) until a check says otherwise.

Time is an argument everywhere: seconds since the epoch, from the result that is judged. A clock that is set
back makes failures of the future; they do not count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lvs.router.state import Health

FLAPS = 3  # failures within the window from which on a real server flaps
SHORTEST_WINDOW = 600.0  # seconds
WINDOW_REENTRIES = 10  # the window in re-entry times, where that is longer
MOST_DAMPING = 8  # times the good results that its return takes otherwise
LEAST_RETURNS = 5  # good results that the return of one that flaps takes in any case
MOST_FAILURES = 20  # whose times are kept


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
    """How many results in a row it takes to change a verdict, each at least 1.

    window: the seconds in which failures count for flapping.
    """

    failures: int = 1
    returns: int = 1
    window: float = SHORTEST_WINDOW

    def returns_after(self, failures: int) -> int:
        """The good results in a row that a return takes after so many failures within the window."""
        if failures < FLAPS:
            return self.returns
        damping = min(MOST_DAMPING, 2 << (failures - FLAPS))
        return max(LEAST_RETURNS, damping * self.returns)


def patience(*, timeout: float, reentry: float, failures: int) -> Patience:
    """The patience of a virtual server: `reentry` seconds of good news, a check every `timeout` seconds."""
    returns = math.ceil(reentry / timeout) if timeout > 0 else 1
    window = max(SHORTEST_WINDOW, WINDOW_REENTRIES * reentry)
    return Patience(failures=max(1, failures), returns=max(1, returns), window=window)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is held of one real server.

    since: when the health became what it is; checked_at: when the last check ended (both None: not yet).
    streak: results in a row that speak against `health`. admitted: it has been healthy since it is watched.
    came_up: a result made it healthy; False for one that was found so (`adopted`), which does not start
    slowly. failed: when it went out, oldest first, as far as that counts for flapping; flaps_until: when it
    flaps no more if it does not go out again. warning: that of the last result.
    """

    health: Health = Health.UNKNOWN
    reason: str = "not checked yet"
    since: float | None = None
    checked_at: float | None = None
    streak: int = 0
    admitted: bool = False
    failed: tuple[float, ...] = ()
    warning: str = ""
    came_up: bool = False
    flaps_until: float = 0.0

    def judge(self, result: Result, patience: Patience) -> Verdict:
        """The verdict after result; `health` differs from before exactly when there was a transition."""
        seen = replace(self, reason=result.reason, checked_at=result.at, streak=0, warning=result.warning)
        if self.failed:
            seen = seen._remembering(self.failed, result.at, patience)
        if result.ok:
            return seen if self.health is Health.HEALTHY else seen._better(self.streak + 1, patience)
        if self.health is Health.FAILED:
            return seen._noting(seen._flapping(patience))
        return seen._worse(self.streak + 1, patience)

    def is_flapping(self, now: float) -> bool:
        """Whether it went out so often of late that its return takes longer."""
        return now < self.flaps_until

    def _better(self, streak: int, patience: Patience) -> Verdict:
        """After that many good results in a row for one that is not healthy."""
        needed = patience.returns_after(len(self.failed)) if self.admitted else 1
        if streak < needed:
            progress = f"good check {streak} of {needed} before it returns"
            return replace(self, streak=streak)._noting(progress, self._flapping(patience))
        return replace(self, health=Health.HEALTHY, since=self.checked_at, admitted=True, came_up=True)

    def _worse(self, streak: int, patience: Patience) -> Verdict:
        """After that many bad results in a row for one that has not failed."""
        if self.health is Health.HEALTHY and streak < patience.failures:
            progress = f"failed check {streak} of {patience.failures} before it goes out"
            return replace(self, streak=streak)._noting(progress)
        out = replace(self, health=Health.FAILED, since=self.checked_at)
        if self.health is Health.HEALTHY and self.checked_at is not None:
            out = out._remembering((*self.failed, self.checked_at), self.checked_at, patience)
        return out._noting(out._flapping(patience))

    def _remembering(self, failed: tuple[float, ...], now: float, patience: Patience) -> Verdict:
        """With those of these failures that count at that time."""
        counted = tuple(at for at in failed if now - patience.window < at <= now)[-MOST_FAILURES:]
        until = counted[-FLAPS] + patience.window if len(counted) >= FLAPS else 0.0
        return replace(self, failed=counted, flaps_until=until)

    def _flapping(self, patience: Patience) -> str:
        """That it flaps, in words; "" if not."""
        count = len(self.failed)
        if count < FLAPS:
            return ""
        more = " or more" if count == MOST_FAILURES else ""
        return f"flapping: {count}{more} failures in {patience.window / 60:.0f} minutes"

    def _noting(self, *notes: str) -> Verdict:
        """With notes, as far as there are any, after the check's own words."""
        said = "; ".join(filter(None, notes))
        return replace(self, reason=f"{self.reason} ({said})") if said else self


def adopted(*, serving: bool, at: float) -> Verdict:
    """The verdict on a real server found in the kernel's table at start.

    serving: it had a weight, or weight 0 by configuration; otherwise it was found quiesced after a failure,
    and must earn its return like any failed one.
    """
    if serving:
        return Verdict(Health.HEALTHY, "found in the kernel's table", since=at, admitted=True)
    return Verdict(Health.FAILED, "found quiesced in the kernel's table", since=at, admitted=True)
