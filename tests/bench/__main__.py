"""All figures of the bench in one run, as ratios to other programs on the same kernel where there are any.

Run in a guest with IPVS: deploy/lab/guest uml --timeout 900 -- .venv/bin/python -m tests.bench
The aims beside the figures are those that this project set itself before it was measured.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import checks
from tests.bench.clusters import REALS, SERVICES, answering_real_servers
from tests.bench.one_change import Pulse, measure_keepalived, measure_pulse
from tests.bench.report import Efforts, Row, compared, machine
from tests.bench.tables import Tables, text_rows
from tests.kernel.namespace import fresh_network


def main() -> None:
    print(f"{SERVICES:,} virtual servers with {REALS} real servers each; {machine()}", flush=True)
    with fresh_network("eth0"), TemporaryDirectory() as folder:
        for row in (*Tables().rows(), *text_rows()):
            print(row, flush=True)
        with answering_real_servers():
            pulse = measure_pulse(Path(folder))
        subprocess.run(["ipvsadm", "-C"], check=True)
        keepalived = measure_keepalived(Path(folder))
    print(*_change_rows(pulse.changes, keepalived), *_pulse_rows(pulse), sep="\n")
    print(
        f"(for comparison: the first apply of all took {pulse.first.wall:.1f} s, its first checks included)"
    )
    checks.main(["--counts"])  # beside keepalived; many at a time are for a machine's own kernel


def _change_rows(ours: Efforts, theirs: Efforts) -> Iterator[Row]:
    """One change is one thing after the other, so that no more work than wall time can be in it."""
    middle = f"(median {ours.median.wall:.3f} s; clock ticks counted {ours.best.work:.2f} s)"
    yield Row("one weight, worker to kernel", middle, ours.best.wall, 0.1, " s")
    yield compared("one weight", ours.best.wall, theirs.best.wall, "keepalived's reload", 0.1)


def _pulse_rows(pulse: Pulse) -> Iterator[Row]:
    first = f"(the first after the boot {pulse.starts[0]:.2f} s)"
    yield Row("pulse's start until it answers", first, min(pulse.starts), 1, " s")
    loaded = f"(with the whole table {pulse.loaded:.0f} MB)"
    yield Row("pulse's memory, empty", loaded, pulse.empty, 60, " MB")


if __name__ == "__main__":
    main()
