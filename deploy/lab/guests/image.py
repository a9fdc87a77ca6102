"""Debian's kernel image, unpacked once, so that no guest spends seconds on it."""

from __future__ import annotations

import lzma
import os
import re
from pathlib import Path

from deploy.lab.guests.job import GuestError


def newest(boot: Path = Path("/boot"), modules: Path = Path("/lib/modules")) -> tuple[Path, Path]:
    """The newest kernel image and the folder of its modules, IPVS among them. Raises GuestError."""
    found = []
    for image in boot.glob("vmlinuz-*"):
        tree = modules / image.name.removeprefix("vmlinuz-")
        if (tree / "modules.dep").exists() and "/ip_vs.ko" in (tree / "modules.dep").read_text("ascii"):
            found.append((image, tree))
    if not found:
        raise GuestError(
            "no kernel image with IPVS in /boot; install one with: apt-get install linux-image-amd64"
        )
    return max(found, key=lambda pair: [int(part) for part in re.findall(r"\d+", pair[0].name)])


def payload(image: bytes) -> bytes | None:
    """The ELF kernel inside a bzImage that is packed with xz, else None.

    Header fields: Linux, Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length.
    """
    if image[0x202:0x206] != b"HdrS":
        return None
    setup = (image[0x1F1] or 4) + 1
    start = setup * 512 + int.from_bytes(image[0x248:0x24C], "little")
    packed = image[start : start + int.from_bytes(image[0x24C:0x250], "little")]
    if not packed.startswith(b"\xfd7zXZ\0"):
        return None
    return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(packed)


def unpacked(image: Path, cache: Path) -> Path:
    """The image as an ELF file in the folder cache, made if it is not there or is older; else the image.

    cache may be shared by guests that start at once: the file appears whole.
    """
    target = cache / image.name.replace("vmlinuz", "vmlinux")
    if target.exists() and target.stat().st_mtime >= image.stat().st_mtime:
        return target
    content = payload(image.read_bytes())
    if content is None:
        return image
    cache.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(target)
    return target
