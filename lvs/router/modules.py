"""Kernel modules: which are there, and loading one by modprobe(8).

Only modules that nothing loads by itself are asked for: schedulers and what nftables needs come when they
are named. A module is the whole machine's, whatever network namespace asks for it. None is ever unloaded:
its connections would lose it, and somebody else may use it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from lvs.errors import KernelError

ROOT = Path("/")  # where the machine's files are; another one in tests
PROGRAMS = ("usr/sbin/modprobe", "sbin/modprobe", "usr/bin/modprobe", "bin/modprobe")
SECONDS = 30.0  # that loading may take: a slow disk, and a module with others that it needs
AT_BOOT = "/etc/modules-load.d"


def read(names: Iterable[str]) -> frozenset[str]:
    """Those of these modules that the running kernel has, loaded or built in. Names with "_"."""
    missing = {name for name in names if not (ROOT / "sys/module" / name).is_dir()}
    found = set(names) - missing
    if missing:  # a module that is built in and has no parameters shows in lists alone
        loaded = _text("proc/modules").splitlines()
        built_in = _text(f"lib/modules/{os.uname().release}/modules.builtin").splitlines()
        found |= missing & ({line.partition(" ")[0] for line in loaded} | {_name(line) for line in built_in})
    return frozenset(found)


def load(name: str) -> None:
    """Loads a module with what it needs; KernelError, with what to do, where that cannot be."""
    change = f"load the kernel module {name}"
    if _text("proc/sys/kernel/modules_disabled").strip() == "1":
        raise KernelError(
            change,
            "this kernel takes no modules any more (kernel.modules_disabled is 1): put "
            f"{name} into a file of {AT_BOOT}, and boot",
        )
    program = next((ROOT / path for path in PROGRAMS if (ROOT / path).is_file()), None)
    if program is None:
        raise KernelError(change, f"modprobe is not here: install the package kmod, or run insmod {name}.ko")
    _run(program, name, change)
    if name not in read([name]):
        raise KernelError(
            change,
            "modprobe ended well and the module is not there: a line `install` of /etc/modprobe.d has it do "
            f"something else; take it out (grep -r {name} /etc/modprobe.d), and run modprobe {name}",
        )


def _run(program: Path, name: str, change: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell, and a name from our own list
            [str(program), "--", name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise KernelError(
            change, f"modprobe did not end within {SECONDS:.0f} s: run modprobe {name} by hand"
        ) from error
    except OSError as error:
        raise KernelError(change, f"{program} cannot be run: {error.strerror}: look at the file") from error
    if done.returncode:
        raise KernelError(change, _reason(name, done.stdout.decode(errors="replace")))


def _reason(name: str, said: str) -> str:
    """Why modprobe failed, by what it said, and what to do."""
    if "not permitted" in said or "Permission denied" in said:
        return f"permission denied: pulse needs to run as root with CAP_SYS_MODULE, or run modprobe {name}"
    if "not found" in said:
        release = os.uname().release
        return (
            f"the running kernel {release} has no such module: install the package with the rest of its "
            f"modules, or boot a kernel that has it (CONFIG_{name.upper()}; Debian: linux-image-amd64)"
        )
    first = said.strip().partition("\n")[0] or "no reason given"
    return f"{first}: look at dmesg, then run modprobe {name}"


def _text(path: str) -> str:
    """A file's text; "" where there is none."""
    try:
        return (ROOT / path).read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _name(line: str) -> str:
    """The module of a line of modules.builtin: kernel/net/netfilter/ipvs/ip_vs_ftp.ko."""
    return line.rpartition("/")[2].partition(".ko")[0].replace("-", "_")
