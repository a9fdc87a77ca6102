"""The process that starts the programs of checks, for pulse: `python -I -S launcher.py DESCRIPTOR USER`.

Why a process of its own: a program is to end with all that it started, and to have none of pulse's rights.
That takes a PID namespace, another user and no capabilities, and to set those up means to fork. Forking
pulse, with its thousands of real servers in memory, costs many times what forking this small process does;
and unshare(1) with setpriv(1), three programs before the one that is wanted, cost twice as much. So: the
standard library only, little of that, and nothing of ours.

What is the same for every program (no capabilities to be got, bounds, stdin, folder) is set once, here. For
each program this process forks once, into a new PID namespace. What is forked is the namespace's first
process, gives up root, starts the program, and tells pulse how that ended; when it then ends, or is killed,
the kernel kills everything in the namespace (pid_namespaces(7)), whatever its parent or session. Without root
there is no namespace: the first process is a subreaper (prctl(2)) then, and kills what is left itself.

What outlives a process is shut off for all of them, as far as the kernel lets root do it: every file system
is read-only to them, and there is no System V memory and no message queue to be had. And each runs in a room,
a user namespace in which users are whom they are outside, since only there the bound on processes counts for
that program alone (user_namespaces(7)): one that forks without end would else keep all others from starting,
and so take their real servers out. From a room no program can look into another one's memory (ptrace(2)).

Messages are JSON, one a datagram of the unix socket DESCRIPTOR:

- from pulse `{"run": ID, "words": [PATH, ARGUMENT…], "environment": {…}}` with two descriptors, where the
  program's stdout and stderr go; `{"kill": ID}`.
- to pulse `{"id", "status": WAIT STATUS}` or `{"id", "error": ERRNO}`, and `{"id", "ended": true}` when
  nothing is left of it.

When pulse is gone, so is its end of the socket: everything is killed then, and this process ends.
"""

from __future__ import annotations

import array
import ctypes
import gc
import json
import os
import pwd
import resource
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Any, NoReturn

LONGEST = 64 * 1024  # bytes of a message

# include/uapi/linux/sched.h, prctl.h
CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
MOST_CAPABILITIES = 64

# include/uapi/linux/mount.h; asm-generic/unistd.h, where all architectures but alpha have this number
SYS_MOUNT_SETATTR = 442
AT_FDCWD = -100
AT_RECURSIVE = 0x8000
MOUNT_ATTR_RDONLY = 1
MS_SLAVE = 1 << 19

# Of the IPC namespace: what cannot be made any more (proc_sys_kernel(5), mq_overview(7)).
NO_IPC = {"kernel/shmmni": "0", "kernel/msgmni": "0", "kernel/sem": "250 0 32 0", "fs/mqueue/queues_max": "0"}
COUNTS_IN_ROOMS = (5, 14)
PROCESSES = 128  # of one program in a room

MEBIBYTE = 1024 * 1024
# Without rooms the number of processes counts for the user, so for all programs under way. A core of 0 bytes
# still goes to a program that takes cores from the kernel, one of 1 does not (fs/coredump.c).
BOUNDS = (
    (resource.RLIMIT_CORE, 1),
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_AS, 1024 * MEBIBYTE),
    (resource.RLIMIT_NPROC, 512),
    (resource.RLIMIT_NOFILE, 256),
)

# Python ignores two, and pulse may have been started with others ignored.
SIGNALS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}

_libc = ctypes.CDLL(None, use_errno=True)


class Launcher:
    """user: whom root starts programs as; anybody else starts them as themselves."""

    def __init__(self, line: socket.socket, user: str) -> None:
        self._line = line
        self._user = pwd.getpwnam(user) if os.geteuid() == 0 else None
        self._own_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._has_namespaces = self._user is not None and self._unshare()
        self._rooms = Rooms(self._user is not None)
        self._poll = select.poll()
        self._poll.register(line, select.POLLIN)
        self._first: dict[str, tuple[int, int]] = {}  # by ID: the first process, its pidfd
        self._in: dict[str, int | None] = {}  # by ID: its room
        self._ids: dict[int, str] = {}  # by pidfd

    def serve(self) -> None:
        """Work until pulse is gone."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor != self._line.fileno():
                    self._ended(descriptor)
                elif not self._hear():
                    self._end()
                    return

    def _hear(self) -> bool:
        message, descriptors = receive(self._line)
        if not message:
            return False
        said = json.loads(message)
        if "kill" in said:
            self._kill(said["kill"])
        else:
            self._begin(said, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _begin(self, said: dict[str, Any], descriptors: list[int]) -> None:
        room = self._rooms.take()
        try:
            pid = self._fork()
        except OSError as error:
            self._rooms.give(room)
            tell(self._line, said["run"], error=error.errno)
            tell(self._line, said["run"], ended=True)
            return
        if pid == 0:
            first = First(self._line, said["run"], self._user, sweeps=not self._has_namespaces)
            first.carry_out(said["words"], said["environment"], descriptors, room)
        pidfd = os.pidfd_open(pid)
        self._first[said["run"]] = (pid, pidfd)
        self._in[said["run"]] = room
        self._ids[pidfd] = said["run"]
        self._poll.register(pidfd, select.POLLIN)

    def _fork(self) -> int:
        """Fork, as root into a new namespace; raises OSError."""
        if self._has_namespaces and not self._unshare():
            raise OSError(ctypes.get_errno(), "unshare")
        return os.fork()

    def _unshare(self) -> bool:
        """Have the next child begin a namespace; there is a way back to one's own (setns(2)) only."""
        _libc.setns(self._own_namespace, CLONE_NEWPID)
        return bool(_libc.unshare(CLONE_NEWPID) == 0)

    def _kill(self, name: str) -> None:
        if name in self._first:
            pid, _ = self._first[name]  # not reaped yet, so it is nobody else's number
            os.kill(pid, signal.SIGKILL if self._has_namespaces else signal.SIGTERM)

    def _ended(self, pidfd: int) -> None:
        name = self._ids.pop(pidfd)
        pid, _ = self._first.pop(name)
        self._poll.unregister(pidfd)
        os.waitpid(pid, 0)
        os.close(pidfd)
        self._rooms.give(self._in.pop(name))
        tell(self._line, name, ended=True)

    def _end(self) -> None:
        for name in self._first:
            self._kill(name)
        for pid, _ in self._first.values():
            os.waitpid(pid, 0)


class Rooms:
    """Descriptors of user namespaces, each for one program at a time, and made when there is need."""

    def __init__(self, wanted: bool) -> None:
        self._can = wanted and kernel() >= COUNTS_IN_ROOMS
        self._free: list[int] = []

    def take(self) -> int | None:
        """A room; None: this kernel has none for us."""
        if not self._free and self._can:
            try:
                self._free.append(self._made())
            except OSError:
                self._can = False
        return self._free.pop() if self._free else None

    def give(self, room: int | None) -> None:
        if room is not None:
            self._free.append(room)

    def _made(self) -> int:
        there, theirs = socket.socketpair()
        with there, theirs:
            pid = os.fork()
            if pid == 0:
                there.close()
                self._furnish(theirs)
            theirs.close()
            try:
                if there.recv(1) != b"y":
                    raise OSError("unshare")
                for kind in ("uid", "gid"):
                    with open(f"/proc/{pid}/{kind}_map", "w") as file:
                        file.write(f"0 0 {2**32 - 1}\n")
                room = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
                there.send(b"y")
                return room
            finally:
                there.close()
                os.waitpid(pid, 0)

    def _furnish(self, theirs: socket.socket) -> NoReturn:
        try:
            theirs.send(b"y" if _libc.unshare(CLONE_NEWUSER) == 0 else b"n")
            if theirs.recv(1):
                write("user/max_user_namespaces", "0")
        finally:
            os._exit(0)


class First:
    """The first process of a program's namespace, or its subreaper. It never returns."""

    def __init__(
        self, line: socket.socket, name: str, user: pwd.struct_passwd | None, *, sweeps: bool
    ) -> None:
        self._line = line
        self._name = name
        self._user = user
        self._sweeps = sweeps

    def carry_out(
        self, words: list[str], environment: dict[str, str], descriptors: list[int], room: int | None
    ) -> NoReturn:
        # Whatever happens: a fork must never get into what its parent does next.
        try:
            try:
                self._prepare(room)
                self._wait(self._spawn(words, environment, descriptors), descriptors)
            except OSError as error:
                tell(self._line, self._name, error=error.errno)
            finally:
                if self._sweeps:
                    sweep()
        except (Stopped, OSError):
            os._exit(1)
        finally:
            os._exit(0)

    def _prepare(self, room: int | None) -> None:
        if self._sweeps:
            _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            signal.signal(signal.SIGTERM, _stop)
        if room is not None and _libc.setns(room, CLONE_NEWUSER) == 0:
            resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
            drop_bounding_set()  # entering has filled it again
        if self._user is not None:
            os.setresuid(self._user.pw_uid, self._user.pw_uid, self._user.pw_uid)
        # After that, since a change of user takes it back (PR_SET_PDEATHSIG(2const)).
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM if self._sweeps else signal.SIGKILL, 0, 0, 0)

    def _spawn(self, words: list[str], environment: dict[str, str], descriptors: list[int]) -> int:
        out, errors = descriptors
        return os.posix_spawn(
            words[0],
            words,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, errors, 2)],
            setsid=True,
            setsigmask=[],
            setsigdef=SIGNALS,
        )

    def _wait(self, program: int, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)
        while True:
            pid, status = os.wait()
            if pid == program:
                tell(self._line, self._name, status=status)
                return


def sweep() -> None:
    """Kill and reap every descendant: one whose parent ends becomes a child of this process."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            children = file.read().split()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return


class Stopped(Exception):
    """The program is to be killed."""


def _stop(number: int, frame: object) -> NoReturn:
    raise Stopped


def receive(line: socket.socket) -> tuple[bytes, list[int]]:
    """A message, and descriptors that no program inherits (socket.recv_fds leaves its flags aside)."""
    sent = array.array("i")
    room = socket.CMSG_SPACE(2 * sent.itemsize)
    message, ancillary, _, _ = line.recvmsg(LONGEST, room, socket.MSG_CMSG_CLOEXEC)
    for _, _, content in ancillary:
        sent.frombytes(content)
    return message, list(sent)


def tell(line: socket.socket, name: str, **said: object) -> None:
    """Say it to pulse; one that is gone hears nothing."""
    try:
        line.send(json.dumps({"id": name, **said}).encode())
    except OSError:
        return


def write(parameter: str, value: str) -> None:
    """Set a kernel parameter of our namespaces, where there is such a one."""
    with suppress(OSError), open(f"/proc/sys/{parameter}", "w") as file:
        file.write(value)


def kernel() -> tuple[int, int]:
    first, second, *_ = (*os.uname().release.replace("-", ".").split("."), "0")
    return int(first), int(second) if second.isdecimal() else 0


def leave_nothing_to_stay() -> None:
    """Shut off what outlives a process; mounts that come and go outside still do so here."""
    if _libc.unshare(CLONE_NEWNS | CLONE_NEWIPC) != 0:
        return
    for parameter, value in NO_IPC.items():
        write(parameter, value)
    _set_mounts(b"/", AT_RECURSIVE, struct.pack("=4Q", MOUNT_ATTR_RDONLY, 0, MS_SLAVE, 0))
    _set_mounts(b"/proc", 0, struct.pack("=4Q", 0, MOUNT_ATTR_RDONLY, 0, 0))  # for the rooms


def _set_mounts(path: bytes, flags: int, attributes: bytes) -> None:
    _libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, path, flags, attributes, len(attributes))


def drop_bounding_set() -> None:
    for capability in range(MOST_CAPABILITIES):
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def give_up(user: str) -> None:
    """What no program is to have, given up once for all of them; only root has it to give up."""
    os.chdir("/")
    os.umask(0o077)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # when memory is short, a check is the first to go
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for bound, most in BOUNDS:
        _, hard = resource.getrlimit(bound)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(bound, (most, most))
    if os.geteuid() != 0:
        return
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    leave_nothing_to_stay()
    drop_bounding_set()


def main() -> None:
    """Serve the socket that pulse gave."""
    line = socket.socket(fileno=int(sys.argv[1]))
    line.set_inheritable(False)
    user = sys.argv[2]
    launcher = Launcher(line, user)
    give_up(user)
    gc.disable()
    gc.freeze()
    launcher.serve()


if __name__ == "__main__":
    main()
