"""`piranha clear`: take out of this router's kernel what pulse has put there, while no pulse runs.

For a router that is to be one no more: stopped, pulse leaves the kernel balancing. What is pulse's says its
ledger; everything else stays, kernel parameters and modules too (they may serve others by now).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from lvs.errors import LvsError, RouterError
from lvs.pulse.terminal import say
from lvs.router import saved_rules
from lvs.router.apply import Kernel, LinuxKernel, reconcile
from lvs.router.files import Ledger, locked
from lvs.router.sentences import Names
from lvs.router.state import KernelState

SERVING = 3  # exit code: nothing was taken out, for clients are served by this kernel
GOES_ON = (
    "This router goes on balancing: its floating addresses are up, and no other router has taken them over. "
    "It does so until this machine is started anew, or until `piranha clear`."
)


def clear_command(state: Path, *, unless_serving: bool, edge: Callable[[], Kernel] = LinuxKernel) -> int:
    """Clears the kernel of what the ledger in that folder says, and prints it; the exit code.

    unless_serving: leave all as it is where a floating address is up here, and say so.
    """
    if not (state / "ledger.json").exists():
        say(["pulse has put nothing into this kernel."])
        return 0
    try:
        with locked(state):
            kernel = edge()
            if unless_serving and serving(kernel, Ledger(state / "ledger.json")):
                say([GOES_ON])
                return SERVING
            say(cleared(kernel, state))
    except LvsError as error:
        sys.stderr.write(f"piranha clear: {error}\n")
        return 1
    return 0


def serving(kernel: Kernel, ledger: Ledger) -> bool:
    """Whether one of the floating addresses that pulse put there is up."""
    return bool(ledger.load().addresses & kernel.read_addresses())


def cleared(kernel: Kernel, state: Path) -> list[str]:
    """Takes it all out; what that was, a sentence each. RouterError says what the kernel kept."""
    ledger = Ledger(state / "ledger.json")
    ledger.load()
    if ledger.problem:
        raise RouterError(ledger.problem)
    report = reconcile(kernel, KernelState(), ledger, Names())
    if report.refused:
        raise RouterError("; ".join(f"{one.change.text}: {one.reason}" for one in report.refused))
    (state / saved_rules.NAME).unlink(missing_ok=True)
    return [change.text for change in report.changes] or ["There was nothing left to take out."]
