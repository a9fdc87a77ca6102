"""How long clients are without service when a router fails: pulse, and keepalived in the same lab and run.

Run in a guest with IPVS: deploy/lab/guest uml --timeout 1800 -- .venv/bin/python -m tests.bench.failover
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.lab.machines import Lab
from tests.bench.report import machine
from tests.kernel.failover_clients import clients_at
from tests.kernel.failover_faults import (
    EVERYWHERE,
    HANGS,
    WITH_PULSE,
    Fault,
    Measured,
    Seen,
    measure,
    reboot_of_both,
)
from tests.kernel.failover_lab import NAT_PLACE, REDUNDANT, Pair, Routers, two_routers
from tests.kernel.keepalived import two_keepaliveds

SETTINGS = ((1.0, 3.0), (0.1, 0.3), (0.03, 0.09))  # keepalive, deadtime
INTERVALS = (1.0, 0.1)  # keepalived's, which takes over after three of them and a bit
REBOOT = "both machines reboot"
HEADING = f"{'':<34}{'no answer':>10}{'slowest':>10}{'2 owners':>10}{'0 owners':>10}  failed requests"


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=3, help="how often each fault that moves the service")
    options.add_argument("--only", choices=("pulse", "keepalived"))
    options.add_argument("--fault", default="", help="only those whose names have this in them")
    options.add_argument("--interval", type=float, help="only this one (seconds)")
    chosen = options.parse_args(arguments)
    print(f"{machine()}; a request every 10 ms; the worst of {chosen.runs} runs, in milliseconds")
    with lab() as made:
        if chosen.only != "pulse":
            for interval in INTERVALS:
                if chosen.interval in (None, interval):
                    keepalived(made, interval, chosen.runs, chosen.fault)
        if chosen.only != "keepalived":
            for keepalive, deadtime in SETTINGS:
                if chosen.interval in (None, keepalive):
                    pulse(made, keepalive, deadtime, chosen.runs, chosen.fault)


@contextmanager
def lab() -> Iterator[Lab]:
    made = Lab()
    made.up()
    try:
        yield made
    finally:
        made.down()


def keepalived(made: Lab, interval: float, runs: int, only: str) -> None:
    """keepalived's lines."""
    print(f"\nkeepalived, advertisement each {interval:g} s\n{HEADING}", flush=True)
    with (
        TemporaryDirectory() as folder,
        two_keepaliveds(made, Path(folder), interval) as pair,
        clients_at(NAT_PLACE) as clients,
    ):
        for fault in EVERYWHERE:
            if only in fault.name:
                show(worst(measure(pair, clients, fault, 4 * interval) for _ in range(runs)))
        if only in REBOOT:
            line(REBOOT, _worst([reboot_of_both(pair, clients) for _ in range(runs)]))


def pulse(made: Lab, keepalive: float, deadtime: float, runs: int, only: str) -> None:
    """pulse's lines."""
    print(f"\npulse, keepalive {keepalive:g} s, deadtime {deadtime:g} s\n{HEADING}", flush=True)
    redundancy = replace(REDUNDANT, keepalive=keepalive, deadtime=deadtime)
    with (
        TemporaryDirectory() as folder,
        two_routers(made, Path(folder), redundancy) as pair,
        clients_at(NAT_PLACE) as clients,
    ):
        faults: tuple[Fault[Routers] | Fault[Pair], ...] = (*EVERYWHERE[:2], EVERYWHERE[3], *WITH_PULSE)
        for fault in faults:
            times = runs if fault.moves and fault is not HANGS else 1
            if only in fault.name:
                show(worst(measure(pair, clients, fault, deadtime) for _ in range(times)))
        for name, fresh in ((REBOOT, True), ("  … with pulse in memory", False)):
            pair.fresh = fresh
            if only in REBOOT:
                line(name, _worst([reboot_of_both(pair, clients) for _ in range(runs)]))


def worst(runs: Iterable[Measured]) -> Measured:
    """Each figure's worst; the failed requests of all runs."""
    found = list(runs)
    return Measured(
        found[0].fault, _worst([one.struck for one in found]), _worst([one.healed for one in found])
    )


def _worst(seen: Sequence[Seen]) -> Seen:
    return Seen(
        max(one.gap for one in seen),
        max(one.slowest for one in seen),
        max(one.both for one in seen),
        max(one.none for one in seen),
        sum((one.failed for one in seen), Counter()),
    )


def show(measured: Measured) -> None:
    line(measured.fault, measured.struck)
    line("  … and mended", measured.healed)


def line(what: str, seen: Seen) -> None:
    times = "".join(f"{seconds * 1000:>10.0f}" for seconds in (seen.gap, seen.slowest, seen.both, seen.none))
    failed = ", ".join(f"{count} {name}" for name, count in seen.failed.items()) or "none"
    print(f"{what:<34}{times}  {failed}", flush=True)


if __name__ == "__main__":
    main()
