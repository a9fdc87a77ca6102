"""Whatever happens to pulse, Redis and the worker: soon the report is what pulse says."""

from __future__ import annotations

import json
from random import Random

import pytest
import redis

from lvs.reported import report_parts
from lvs.reported.reporting import TURN
from lvs.reported.reports import INTERVAL
from lvs.reported.standing import standing_of
from lvs.reported.summary import kept
from tests.workers.test_reporting import Table, client

__all__ = ["client"]

SERVICES, REALS = 60, 20  # more real servers than a small cluster has


def happen(table: Table, chance: Random) -> Table:
    """One thing out of all that may happen; the reporter that goes on."""
    pulse = table.pulse
    name = chance.choice(list(pulse.parts))
    what = chance.randrange(8)
    if what <= 1:
        pulse.fail(name, chance.randrange(len(pulse.parts[name]["real_servers"])))
    elif what == 2:
        pulse.put(name, REALS)
        pulse.marks[name] = chance.randrange(1 << 40)
    elif what == 3:
        pulse.put(f"new{chance.randrange(1000)}", chance.randrange(1, REALS))
    elif what == 4 and len(pulse.parts) > 1:
        del pulse.parts[name], pulse.marks[name]
    elif what == 5:
        table.client.flushall()
    elif what == 6:
        report_parts.parts_of(table.client, "r1", [name])
    elif what == 7:
        again = Table(table.client, 0, 0)
        again.pulse, again.clock.now = pulse, table.clock.now
        again.reporter._pulse = pulse
        return again
    return table


@pytest.mark.parametrize("seed", range(4))
def test_the_report_comes_to_what_pulse_says(client: redis.Redis, seed: int):
    chance = Random(seed)
    table = Table(client, SERVICES, REALS)
    for _ in range(60):
        table = happen(table, chance)
        if chance.random() < 0.5:
            table.report()
    for part in table.pulse.parts.values():  # what changed unmarked is found when its turn comes
        part["real_servers"][0]["counters"] = None
    for _ in range(2 + round(TURN / INTERVAL)):
        table.report()
    parts = table.pulse.parts
    found = client.hgetall(report_parts.servers_key("r1"))
    assert {name: json.loads(body) for name, body in found.items()} == {
        name: kept(part) for name, part in parts.items()
    }
    standings = {name: standing_of(part) for name, part in parts.items()}
    assert report_parts.standings_of(client, "r1") == standings
    summary = table.said["summary"]
    assert summary["unread"] == 0
    assert summary["virtual_servers"] == len(parts)
    assert summary["attention"] == sum(one.rows for one in standings.values())
    assert summary["counts"].get("failed", 0) == sum(
        one.counts.get("failed", 0) for one in standings.values()
    )
