"""The VM's first files: a shell, three commands and the modules that reach the host's files.

The kernel itself brings /root and /dev/console (Linux: usr/default_cpio_list).

A cpio archive of the format newc (Linux: Documentation/driver-api/early-userspace/buffer-format.rst), made
from klibc's small programs, which every Debian kernel package brings along, and this kernel's own modules.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from pathlib import Path

from deploy.lab.guests.job import GuestError

KLIBC = Path("/usr/lib/klibc/bin")
PROGRAMS = ("sh", "mount", "insmod", "run-init")
FOLDER, FILE = 0o040755, 0o100755

INIT = """#!/bin/sh
export PATH=/bin
for module in {modules}; do insmod "/modules/$module"; done
{mount_root}
exec run-init /root {init} </dev/console >/dev/console 2>&1
"""


def entry(name: str, mode: int, content: bytes, number: int) -> bytes:
    """One file of the archive, padded to four bytes."""
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return padded(head) + padded(content)


def padded(text: bytes) -> bytes:
    return text + b"\0" * (-len(text) % 4)


def archive(files: Iterable[tuple[str, int, bytes]]) -> bytes:
    """A newc archive of (name, mode, content), folders before what is in them."""
    body = b"".join(entry(name, mode, content, n) for n, (name, mode, content) in enumerate(files, 1))
    return body + entry("TRAILER!!!", 0, b"", 0)


def module_files(tree: Path, names: Iterable[str]) -> list[Path]:
    """The modules of these names and all they need, in the order of loading; built-in ones are left out.

    tree: /lib/modules/RELEASE, whose modules.dep says what needs what (depmod(8)).
    """
    needs: dict[str, tuple[str, list[str]]] = {}
    for line in (tree / "modules.dep").read_text(encoding="ascii").splitlines():
        path, _, others = line.partition(":")
        needs[path.rpartition("/")[2].partition(".")[0].replace("-", "_")] = (path, others.split())
    ordered: dict[str, None] = {}
    for name in names:
        if name in needs:
            path, required = needs[name]
            ordered.update(dict.fromkeys([*reversed(required), path]))
    return [tree / path for path in ordered]


def module_content(path: Path) -> bytes:
    """The module, unpacked if need be. Raises GuestError for a compression that Python 3.11 cannot read."""
    content = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(content)
    if path.suffix != ".ko":
        raise GuestError(f"{path}: this compression of kernel modules is not understood; use Debian's kernel")
    return content


def build(modules: Iterable[Path], mount_root: str, init: Path) -> bytes:
    """The whole archive. mount_root: the shell command that mounts the host's files on /root."""
    if not (KLIBC / "sh").exists():
        raise GuestError("klibc's shell is not installed; install it with: apt-get install klibc-utils")
    loaded = {path.name.partition(".")[0] + ".ko": module_content(path) for path in modules}
    script = INIT.format(modules=" ".join(loaded), mount_root=mount_root, init=init)
    library = next(Path("/lib").glob("klibc-*.so"))
    return archive(
        [
            *((name, FOLDER, b"") for name in ("bin", "lib", "modules")),
            *((f"bin/{name}", FILE, (KLIBC / name).read_bytes()) for name in PROGRAMS),
            (f"lib/{library.name}", FILE, library.read_bytes()),
            *((f"modules/{name}", FILE, content) for name, content in loaded.items()),
            ("init", FILE, script.encode()),
        ]
    )
