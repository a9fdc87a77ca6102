"""A program of an administrator's: its exit status is the verdict, and what it prints where that is expected.

What it gets besides its arguments is in its environment: PIRANHA_CHECK_ADDRESS, PIRANHA_CHECK_PORT, and
PIRANHA_CHECK_TIMEOUT, the seconds that it has. Where something is expected, stdout must equal that as a
whole, however many lines it has; the newline at the end of either does not count. `*` is any output. With
use_regex it is found anywhere in stdout.
"""

from __future__ import annotations

from lvs.nanny.checks import ANYTHING, Check
from lvs.nanny.probes.contents import expectation, has_expected
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.programs import AT_ONCE, FOLDER, Ran, run
from lvs.nanny.quoting import quote


async def probe(check: Check, record: Record) -> Finding:
    """Good when the program ended with status 0 and printed what is expected."""
    ran = await run(check.program, check.timeout, FOLDER.get(), record, environment(check))
    return judge(check, ran)


def environment(check: Check) -> dict[str, str]:
    """What a program is told of its check."""
    told = {"PIRANHA_CHECK_ADDRESS": str(check.address), "PIRANHA_CHECK_TIMEOUT": f"{check.timeout:g}"}
    return told | {"PIRANHA_CHECK_PORT": str(check.port)} if check.port else told


def judge(check: Check, ran: Ran) -> Finding:
    """The finding on how a program ended."""
    warning = waited(check, ran)
    fault = failed(ran)
    if fault:
        return Finding(False, fault, warning, ours=ran.ours)
    if not check.expect:
        return Finding(True, "program: status 0", warning)
    if _is_expected(check, ran.output):
        return Finding(True, "printed what is expected", warning)
    got = quote(_without_newline(ran.output)) if ran.output else "nothing"
    return Finding(False, f"expected {expectation(check)}, got {got}", warning)


def failed(ran: Ran) -> str:
    """Why the program did not end well, with its own last words; "" when it did."""
    if ran.status == 0:
        return ""
    said = f": {ran.last_words}" if ran.last_words else ""
    return f"program {ran.problem}{said}" if ran.problem else f"program ended with status {ran.status}{said}"


def waited(check: Check, ran: Ran) -> str:
    """A warning where the router has more programs to run than it can in their interval."""
    if ran.waited <= check.timeout:
        return ""
    return (
        f"waited {ran.waited:.0f} s for its turn, since {AT_ONCE} programs run at a time: use fewer or "
        "quicker programs, or a longer timeout"
    )


def _is_expected(check: Check, output: bytes) -> bool:
    if check.use_regex or check.expect == ANYTHING:
        return has_expected(check, output)
    return _without_newline(output) == _without_newline(check.expect)


def _without_newline(text: bytes) -> bytes:
    return text.removesuffix(b"\n").removesuffix(b"\r")
