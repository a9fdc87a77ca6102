"""Programs of an administrator's that check real servers, or ask for their load: which are run, and how.

The theory. lvs.cf comes from the web, and pulse is root. So lvs.cf chooses only by name, from one folder that
root has filled, and what it chooses runs without any right, for a bounded time, and ends with all that it
started (`lvs.nanny.launcher`). Whatever goes wrong is a value with its reason: a program that cannot be run
is a failed check, not a fault of pulse.

At most AT_ONCE run at a time; the others wait for their turn, in which their limit does not run.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import pwd
import signal
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from lvs.config.model import AGENT_MONITOR, NO_MONITOR, CheckKind, LvsConfig, VirtualServer
from lvs.config.program import program_words
from lvs.nanny.launching import BOUND, MOST_ARGUMENTS, Job, Lost, line
from lvs.nanny.probes.finding import OURS, Record
from lvs.nanny.quoting import printable, quote

AT_ONCE = 32
LONGEST_WAIT = 60.0  # seconds for a turn
GRACE = 0.5  # seconds that a killed program has to be gone before the verdict goes without it

USER, OTHER_USER = "piranha-check", "nobody"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

# The folder of programs for the checks of this process; set where pulse begins.
FOLDER: ContextVar[Path] = ContextVar("folder of programs", default=Path("/etc/piranha/checks"))

# No process, descriptor, memory or namespace left (fork(2), unshare(2)).
_LACKING = OURS | {errno.EAGAIN, errno.ENOSPC}
_LAST_WORDS = 120  # bytes of a program's last line in a reason
_FOREIGN = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended.

    status: its exit status; None when it did not end by itself. output, errors: what it printed on stdout and
    stderr, together at most BOUND bytes. problem: why it has no status, "" when it has one. waited: seconds
    for its turn. ours: this router could not run it, whatever it would have found.
    """

    status: int | None
    output: bytes = b""
    errors: bytes = b""
    problem: str = ""
    waited: float = 0.0
    ours: bool = False

    @property
    def last_words(self) -> str:
        """The last line that it printed, of stderr if there is any; "" when there is none."""
        for printed in (self.errors, self.output):
            lines = [each for each in printed.splitlines() if each.strip()]
            if lines:
                return printable(lines[-1].strip()[:_LAST_WORDS])
        return ""


class Refused(Exception):
    """A program that is not run; the message says why, and what to do."""


# ---- what may be run


def named(config: LvsConfig) -> frozenset[str]:
    """The programs that active virtual servers of config name, as they write them."""
    return frozenset(
        word for each in config.virtual_servers if each.active and each.real_servers for word in _named(each)
    )


def _named(virtual_server: VirtualServer) -> Iterator[str]:
    check = virtual_server.check
    if check.kind is CheckKind.AUTO and check.send_program is not None:
        try:
            yield program_words(check.send_program)[0]
        except ValueError:  # the rules have refused it, or will
            return
    if virtual_server.load_monitor not in (NO_MONITOR, AGENT_MONITOR):
        yield virtual_server.load_monitor


def missing(programs: Iterable[str], folder: Path) -> tuple[str, ...]:
    """Why those of programs cannot be run that cannot, each in a sentence with what to do; blocking."""
    sentences = []
    for word in sorted(set(programs)):
        try:
            find(word, folder)
        except Refused as refusal:
            sentences.append(str(refusal))
    return tuple(dict.fromkeys(sentences))


def find(word: str, folder: Path) -> str:
    """The path of the program that word names by its last part; raises Refused."""
    name = word.rpartition("/")[2]
    if name in ("", ".", ".."):
        raise Refused(f"{quote(word.encode(errors='surrogateescape'))} names no program: write its name")
    path = str(folder / name)
    try:
        real = os.path.realpath(path, strict=True)
        found = os.stat(real)
    except OSError as error:
        raise Refused(_absent(name, folder, error)) from error
    if os.path.dirname(real) != os.path.realpath(folder):
        raise Refused(f"{path} leads out of the folder, to {real}: put a copy there in place of the link")
    if not stat.S_ISREG(found.st_mode):
        raise Refused(f"{path} is not a file that can be run: replace it by the program")
    if not found.st_mode & stat.S_IXOTH and not (os.geteuid() and os.access(real, os.X_OK)):
        raise Refused(f"{path} may not be run by everyone: chmod 0755 {path}")
    if not _is_ours(found) or found.st_mode & _FOREIGN:
        raise Refused(
            f"{path} could be changed by others than root, so it is not run: chown root:root {path}; "
            f"chmod go-w {path}"
        )
    for place in _way_to(path, real):
        if _is_open(place):
            raise Refused(
                f"{name} could be replaced by others than root, who may change {place}, so it is not run: "
                f"chown root:root {place}; chmod go-w {place}"
            )
    return real


def _absent(name: str, folder: Path, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"{name} is not in {folder}: copy it there, owned by root, mode 0755"
    why = os.strerror(error.errno or 0).lower()
    return f"{folder / name} cannot be looked at ({why}): look at it and the folders above it"


def _way_to(path: str, real: str) -> Iterator[str]:
    """What decides which program a path is: the link itself, the folders as written and in the end."""
    yield path
    seen = set()
    for way in (path, real):
        while way != "/":
            way = os.path.dirname(way)
            if way not in seen:
                seen.add(way)
                yield way


def _is_open(place: str) -> bool:
    """Whether others can put something else there; in a sticky folder they cannot (inode(7))."""
    found = os.lstat(place)
    if not _is_ours(found):
        return True
    shared = found.st_mode & _FOREIGN and not found.st_mode & stat.S_ISVTX
    return bool(shared) and not stat.S_ISLNK(found.st_mode)


def _is_ours(found: os.stat_result) -> bool:
    """Whether it is root's, or that of a pulse which is not root and so gives nothing away."""
    return found.st_uid in (0, os.geteuid())


@functools.cache
def user() -> str:
    """Whom a pulse of root's runs programs as; any other runs them as itself."""
    try:
        return pwd.getpwnam(USER).pw_name
    except KeyError:
        return OTHER_USER


# ---- running one


async def run(
    words: Sequence[str],
    limit: float,
    folder: Path,
    record: Record,
    environment: Mapping[str, str] | None = None,
) -> Ran:
    """Run the program that words[0] names in folder, for at most limit seconds.

    environment: besides PATH and LANG. All that the program started has ended when this returns, but for what
    the kernel cannot kill at once (a process that waits for a disk).
    """
    begun = time.monotonic()
    if not words:
        return Ran(None, problem="no program is named: write send_program = NAME and its arguments")
    try:
        path = find(words[0], folder)
    except Refused as refusal:
        return Ran(None, problem=str(refusal))
    if sum(len(word) for word in words) > MOST_ARGUMENTS:
        return Ran(None, problem=f"its arguments have more than {MOST_ARGUMENTS} bytes: shorten them")
    slots = _slots()
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            await slots.acquire()
    except TimeoutError:
        problem = f"had no turn within {LONGEST_WAIT:g} s: {AT_ONCE} others hang"
        return Ran(None, problem=problem, waited=LONGEST_WAIT, ours=True)
    waited = time.monotonic() - begun
    record.note(f"run {' '.join((path, *words[1:]))}")
    job = _begin(path, words, ENVIRONMENT | dict(environment or {}), slots)
    if isinstance(job, str):
        return Ran(None, problem=job, waited=waited, ours=True)
    ran = await _followed(job, path, limit, waited)
    _keep(record, ran)
    return ran


def _begin(
    path: str, words: Sequence[str], environment: Mapping[str, str], slots: asyncio.Semaphore
) -> Job | str:
    """The job, which gives its slot back when it has ended; or why there is none."""
    for _ in range(2):  # a launcher that has just died is started again
        try:
            job = line(user()).begin((path, *words[1:]), environment)
        except Lost as lost:
            problem = str(lost)
        except OSError as error:
            problem = f"cannot be started: {os.strerror(error.errno or 0).lower()}"
        else:
            job.ended.add_done_callback(lambda _: slots.release())
            return job
    slots.release()
    return problem


async def _followed(job: Job, path: str, limit: float, waited: float) -> Ran:
    problem = ""
    try:
        done, _ = await asyncio.wait([job.ended], timeout=limit)
        if not done:
            problem = f"had not ended after {limit:g} s, and was killed"
            job.kill()
            await asyncio.wait([job.ended], timeout=GRACE)
        job.drain()
    finally:
        if not job.ended.done():
            job.kill()
        job.close()
    if job.overflowed:
        problem = f"printed more than {BOUND // 1024} KiB, and was killed"
    problem = problem or _why(job, path)
    status = None if problem or job.status is None else os.waitstatus_to_exitcode(job.status)
    return Ran(status, bytes(job.output), bytes(job.errors), problem, waited, _lacked(job))


def _why(job: Job, path: str) -> str:
    """Why it ended without an exit status; "" when it has one."""
    if job.ended.done() and job.ended.exception() is not None:
        return str(job.ended.exception())
    if job.error is not None:
        return _not_begun(path, job.error)
    if job.status is None:
        return "was killed by somebody else"
    if os.WIFSIGNALED(job.status):
        number = os.WTERMSIG(job.status)
        return f"was killed by signal {number} ({signal.strsignal(number)})"
    return ""


def _lacked(job: Job) -> bool:
    """Whether it could not begin, or go on, for what this router lacks."""
    is_lost = job.ended.done() and job.ended.exception() is not None
    return is_lost or job.error in _LACKING


def _not_begun(path: str, number: int) -> str:
    if number == errno.EACCES:
        return (
            f"{path} may not be run by the user {user()}: chmod 0755 {path}, and let that user enter the "
            "folders above it"
        )
    if number == errno.ENOENT:
        return f"{path} names an interpreter in its first line that does not exist: correct it, or install it"
    if number == errno.ENOEXEC:
        return f"{path} is neither a binary nor has it a first line such as #!/bin/sh: add one"
    return f"{path} cannot be started: {os.strerror(number).lower()}"


def _keep(record: Record, ran: Ran) -> None:
    if ran.output:
        record.received(ran.output)
    if ran.errors:
        record.note(f"stderr: {ran.errors.decode('utf-8', 'backslashreplace')}")
    record.note(ran.problem or f"ended with status {ran.status}")


_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _slots() -> asyncio.Semaphore:
    """Those of the running event loop."""
    return _waiting.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
