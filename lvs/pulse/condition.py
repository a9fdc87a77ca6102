"""Whether this router could serve, or serves well: what its heart tells the other router of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from lvs.pulse.heart.messages import Message
from lvs.pulse.keeping import Keeper
from lvs.pulse.running import Running
from lvs.router.state import Health, InterfaceAddress, Role

STUCK = 10.0  # seconds that one piece of work on the kernel may take

NOBODY = {"healthy": 0, "total": 0}

MissingInterfaces = Callable[[Collection[InterfaceAddress]], Collection[str]]


def condition(
    keeper: Keeper,
    running: Running | None,
    *,
    dying: Collection[str],
    file_problem: str | None,
    missing_interfaces: MissingInterfaces,
) -> Message:
    """The message `condition` (ARCHITECTURE.md). dying: what of pulse does not stay up."""
    if running is None:
        return {"say": "condition", "unfit": ["no lvs.cf is in force"], "serial": 0, "sha256": None} | NOBODY
    by_hand = keeper.weighing.ordered  # what they answer to checks decides nothing, here or there
    healths = [health for place, health in keeper.checker.health.items() if place not in by_hand]
    return {
        "say": "condition",
        "unfit": [*dying, *_unfit(keeper, running, file_problem, missing_interfaces)],
        "serial": running.serial,
        "sha256": running.sha256,
        "healthy": sum(health is Health.HEALTHY for health in healths),
        "total": len(healths),
    }


def _unfit(
    keeper: Keeper, running: Running, file_problem: str | None, missing_interfaces: MissingInterfaces
) -> Iterator[str]:
    if keeper.work.busy > STUCK:
        yield f"the kernel has not answered pulse for more than {STUCK:g} s"
    if keeper.account.failures > 1:  # a look at the kernel that failed once may have been bad luck
        yield from keeper.account.problems()
    if keeper.role is Role.ACTIVE:
        for missing in sorted(keeper.account.refused_addresses, key=str):
            yield f"floating address {missing.address} cannot be raised on {missing.interface}"
        return
    for name in missing_interfaces(running.floating):
        yield f"there is no interface {name} for the floating addresses"
    if file_problem is not None:
        # The active router serves on with what is in force; the other had better not take over with it.
        yield file_problem
