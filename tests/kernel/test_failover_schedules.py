"""Random fault schedules on two real routers: the invariants hold, and everything is well again.

PIRANHA_SCHEDULES: how many (the same ones for the same number); PIRANHA_SCHEDULE: only these (3,17).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from deploy.lab import network
from deploy.lab.machines import Lab
from tests.kernel.failover_clients import clients_at
from tests.kernel.failover_lab import NAT_PLACE, REDUNDANT, two_routers
from tests.kernel.failover_schedules import Schedule, steps

pytestmark = pytest.mark.kernel

SEED = 20261122
COUNT = int(os.environ.get("PIRANHA_SCHEDULES", "18"))
ONLY = os.environ.get("PIRANHA_SCHEDULE")
QUICK = replace(REDUNDANT, keepalive=0.05, deadtime=0.15, check_gateway=ip_address(network.INTERNET))
SLOW = 10.0  # seconds until all is well again, beyond which the routers' logs are worth a look
BOTH_OWN = QUICK.deadtime + 1.0  # seconds
# After a crash a standby takes 1.5 dead times at most; a second is for a processor that all machines share.
NONE_OWNS = 1.5 * QUICK.deadtime + 1.0


def test_random_faults_never_break_the_invariants(lab: Lab, tmp_path: Path) -> None:
    numbers = range(COUNT) if ONLY is None else [int(one) for one in ONLY.split(",")]
    done: Counter[str] = Counter()
    worst_both = worst_none = worst_healing = 0.0
    broken = []
    print(
        f"\n{len(numbers)} schedules, seed {SEED}, keepalive {QUICK.keepalive:g}, deadtime {QUICK.deadtime:g}"
    )
    with (
        two_routers(lab, tmp_path, QUICK) as pair,
        clients_at(NAT_PLACE) as clients,
        ThreadPoolExecutor(8) as pool,
    ):
        for number in numbers:
            plan = steps(random.Random(f"{SEED} {number}"))
            owning, healing = Schedule(pair, clients, pool).run(plan)
            done.update(step.what for step in plan)
            worst_both, worst_none = max(worst_both, owning.both), max(worst_none, owning.none)
            worst_healing = max(worst_healing, healing)
            figures = f"two owners {owning.both:.3f} s, none {owning.none:.3f} s, healed in {healing:.2f} s"
            line = f"{number:>3}: {'; '.join(map(str, plan))}: {figures}"
            print(line, flush=True)
            if healing > SLOW:
                print(pair.told(), flush=True)
            if owning.both >= BOTH_OWN or owning.none >= NONE_OWNS:
                broken.append(line)
    print(f"steps: {', '.join(f'{count} {what}' for what, count in sorted(done.items()))}")
    print(f"worst: two owners {worst_both:.3f} s, none {worst_none:.3f} s, healed in {worst_healing:.2f} s")
    assert not broken, "\n".join(broken)
