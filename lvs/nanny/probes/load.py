"""A load monitor: a program of an administrator's that prints a real server's load as uptime(1) does."""

from __future__ import annotations

from lvs.nanny.checks import Check
from lvs.nanny.loads import Load
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.probes.program import environment, failed, waited
from lvs.nanny.programs import FOLDER, run
from lvs.nanny.uptime import load_average


async def probe(check: Check, record: Record) -> Finding:
    """Good when a load average was printed and the program ended with status 0; it is the `load`."""
    ran = await run(check.program, check.timeout, FOLDER.get(), record, environment(check))
    warning = waited(check, ran)
    fault = failed(ran)
    if fault:
        return Finding(False, fault, warning, ours=ran.ours)
    try:
        average = load_average(ran.output)
    except ValueError as error:
        return Finding(False, str(error), warning)
    reason = f"load average {average:g}"
    return Finding(True, reason, warning, Load(reason=reason, average=average))
