"""What a machine's files and /proc say of it, for `lvs.router.surroundings`: read, never written.

Everything is below a root, "/" but in tests. What is missing counts as empty; what may not be read raises
OSError.
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from lvs.config.model import Address, Protocol
from lvs.router.judges.rivals import program
from lvs.router.seen import Listener, Mention, Modules, Process
from lvs.router.sysctl_files import FOLDERS, LAST, Settings, in_order
from lvs.router.tcp_table import address_of

MODPROBE_FOLDERS = ("etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d")
# Where Debian's, Ubuntu's and Red Hat's ways of configuring a network keep addresses.
NETWORK_FILES = (
    "etc/network/interfaces",
    "etc/network/interfaces.d/*",
    "etc/systemd/network/*.network",
    "etc/systemd/network/*.network.d/*.conf",
    "run/systemd/network/*.network",
    "etc/netplan/*.yaml",
    "etc/NetworkManager/system-connections/*",
    "etc/sysconfig/network-scripts/ifcfg-*",
)
NO_ADDRESS = re.compile(r"gateway|dns|nameserver|route|\bvia\b|\bping\b", re.IGNORECASE)
LONGEST_FILE = 1 << 20  # bytes; no file of interest is that long
# Modules whose option in the kernel's configuration has another name.
OF_OPTION = {"NFT_NAT": "nft_chain_nat"}
LISTENING = {Protocol.TCP: "0A", Protocol.UDP: "07"}  # include/net/tcp_states.h


def text(path: Path) -> str | None:
    """A file's text; None where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_FILE).decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def modules(root: Path, release: str) -> Modules:
    """What the running kernel has, by its name for itself (uname -r)."""
    folder = root / "lib/modules" / release
    loaded = {line.split()[0] for line in (text(root / "proc/modules") or "").splitlines() if line}
    builtin, files = text(folder / "modules.builtin"), text(folder / "modules.dep")
    present = loaded | set(_names(builtin or ""))
    with suppress(OSError):
        present |= set(os.listdir(root / "sys/module"))
    options = _options(root) if builtin is None else None
    if options is not None:
        present |= {OF_OPTION.get(option, option.lower()) for option in options}
    return Modules(
        present=frozenset(present),
        loadable=frozenset(_names(files or "")),
        forbidden=dict(_forbidden(root)),
        release=release,
        known=builtin is not None or options is not None,
        frozen=(text(root / "proc/sys/kernel/modules_disabled") or "").strip() == "1",
    )


def _names(listing: str) -> Iterator[str]:
    """The modules of modules.builtin or modules.dep: a path at the head of each line."""
    for line in listing.splitlines():
        yield line.partition(":")[0].rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def _options(root: Path) -> list[str] | None:
    """What was built into this kernel, by its own configuration; None: it does not tell."""
    try:
        written = gzip.decompress((root / "proc/config.gz").read_bytes()).decode(errors="replace")
    except (OSError, EOFError):
        return None
    return re.findall(r"^CONFIG_(\w+)=y$", written, re.MULTILINE)


def _forbidden(root: Path) -> Iterator[tuple[str, str]]:
    """The modules whose loading modprobe.d(5) replaces by a program that does nothing."""
    for path in _files(root, [f"{folder}/*.conf" for folder in MODPROBE_FOLDERS]):
        for number, line in enumerate((text(path) or "").splitlines(), 1):
            words = line.split()
            if words[:1] == ["install"] and len(words) > 2 and Path(words[2]).name in ("true", "false"):
                yield words[1].replace("-", "_"), f"{_shown(root, path)}:{number}"


def settings(root: Path) -> Settings:
    """What the machine's files set its kernel parameters to."""
    found = [_shown(root, path) for path in _files(root, [f"{folder[1:]}/*.conf" for folder in FOLDERS])]
    found += [LAST] if (root / LAST[1:]).is_file() else []
    return Settings((path, text(root / path[1:]) or "") for path in in_order(found))


def mentions(root: Path, addresses: Collection[Address]) -> tuple[Mention, ...]:
    """Where the machine's network configuration gives it one of these addresses."""
    wanted = frozenset(addresses)
    return tuple(
        Mention(address, f"{_shown(root, path)}:{number}")
        for path in (_files(root, NETWORK_FILES) if wanted else ())
        for number, line in enumerate((text(path) or "").splitlines(), 1)
        for address in _addresses_of(line)
        if address in wanted
    )


def _addresses_of(line: str) -> Iterator[Address]:
    line = line.strip()
    if line.startswith(("#", ";")) or NO_ADDRESS.search(line):
        return
    for word in re.findall(r"[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]+", line.partition(",")[0]):
        with suppress(ValueError):
            yield ip_address(word.strip(":") if word.count(":") < 2 else word)


def _files(root: Path, patterns: Iterable[str]) -> list[Path]:
    return [path for pattern in patterns for path in sorted(root.glob(pattern)) if path.is_file()]


def _shown(root: Path, path: Path) -> str:
    return f"/{path.relative_to(root)}"


# ---- processes and their sockets


def processes(root: Path, names: Collection[str], network: int | None) -> tuple[Process, ...]:
    """Those of these programs that run in a network, by the inode of its namespace (None: in any)."""
    found = []
    for pid in _pids(root):
        folder = root / "proc" / str(pid)
        with suppress(OSError):  # it ended meanwhile
            words = tuple(
                word
                for word in (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if word
            )
            process = Process(pid, (text(folder / "comm") or "").strip(), words)
            name = program(process) if words else ""
            if name in names and _is_in(folder, network):
                found.append(Process(pid, name, words))
    return tuple(found)


def _pids(root: Path) -> list[int]:
    return sorted(int(name) for name in os.listdir(root / "proc") if name.isdigit())


def _is_in(folder: Path, network: int | None) -> bool:
    """Whether a process is in that network; one that does not tell may be."""
    try:
        return network is None or os.stat(folder / "ns/net").st_ino == network
    except (PermissionError, FileNotFoundError):
        return True


def listeners(root: Path, net: Path, ports: Collection[tuple[Protocol, int]]) -> tuple[Listener, ...]:
    """Who waits at these ports; net: the folder with the tables of sockets (proc(5), /proc/net)."""
    found: dict[str, Listener] = {}
    for protocol in (Protocol.TCP, Protocol.UDP):
        for name in (f"{protocol}", f"{protocol}6"):
            for inode, address, port in _sockets(net / name, LISTENING[protocol]):
                if (protocol, port) in ports:
                    found[inode] = Listener(protocol, address, port)
    programs = _holders(root, frozenset(found)) if found else {}
    return tuple(
        Listener(each.protocol, each.address, each.port, programs.get(inode, ""))
        for inode, each in found.items()
    )


def _sockets(table: Path, state: str) -> Iterator[tuple[str, Address, int]]:
    """The sockets of a table in a state: inode, address, port."""
    try:
        with table.open() as lines:
            next(lines, None)
            for line in lines:
                words = line.split()
                if words[3] == state:
                    address, _, port = words[1].partition(":")
                    yield words[9], address_of(address), int(port, 16)
                elif state == LISTENING[Protocol.TCP]:
                    return  # the kernel lists those that listen first (net/ipv4/tcp_ipv4.c, tcp_seq_start)
    except FileNotFoundError:
        return


def _holders(root: Path, inodes: frozenset[str]) -> dict[str, str]:
    """Which program has a socket open, with its number, by the socket's inode."""
    held = {f"socket:[{inode}]": inode for inode in inodes}
    holders: dict[str, str] = {}
    for pid in _pids(root):
        folder = root / "proc" / str(pid)
        with suppress(OSError):  # it ended, or is somebody else's
            for each in os.scandir(folder / "fd"):
                with suppress(OSError):
                    inode = held.get(os.readlink(each.path))
                    if inode is not None and inode not in holders:
                        holders[inode] = f"{(text(folder / 'comm') or '').strip()} (process {pid})"
        if len(holders) == len(inodes):
            break
    return holders
