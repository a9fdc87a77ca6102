"""What the virtual machine is made of: kernel image, first files, arguments."""

from __future__ import annotations

import lzma
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.lab.guests import image, initramfs, vm
from deploy.lab.guests.job import Forward, GuestError
from deploy.lab.guests.process import Consoles
from tests.unit.deploy.test_guest_job import make_job


def install(tmp_path: Path, release: str, *, ipvs: bool = True, content: bytes = b"") -> None:
    """A kernel package of this release."""
    tree = tmp_path / "modules" / release
    tree.mkdir(parents=True)
    (tree / "modules.dep").write_text("kernel/net/netfilter/ipvs/ip_vs.ko: kernel/a.ko\n" if ipvs else "")
    (tmp_path / "boot").mkdir(exist_ok=True)
    (tmp_path / "boot" / f"vmlinuz-{release}").write_bytes(content)


def bzimage(packed: bytes) -> bytes:
    """The least that a bzImage may be: one sector of set-up, then the packed kernel."""
    head = bytearray(2 * 512)
    head[0x1F1] = 1
    head[0x202:0x206] = b"HdrS"
    head[0x24C:0x250] = len(packed).to_bytes(4, "little")
    return bytes(head) + packed


def test_the_newest_kernel_with_ipvs_is_taken_by_number_and_not_by_letter(tmp_path):
    for release in ("6.1.0-9-amd64", "6.1.0-56-amd64"):
        install(tmp_path, release)
    install(tmp_path, "6.12.0-1-amd64", ipvs=False)
    found, tree = image.newest(tmp_path / "boot", tmp_path / "modules")
    assert (found.name, tree.name) == ("vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64")


def test_without_a_kernel_the_error_names_the_package(tmp_path):
    (tmp_path / "boot").mkdir()
    with pytest.raises(GuestError, match="apt-get install linux-image-amd64"):
        image.newest(tmp_path / "boot", tmp_path / "modules")


def test_a_kernel_is_unpacked_once(tmp_path):
    packed = tmp_path / "vmlinuz-1"
    packed.write_bytes(bzimage(lzma.compress(b"\x7fELF kernel") + b"\0\0\0\x0c"))
    cache = tmp_path / "cache"
    target = image.unpacked(packed, cache)
    assert target.read_bytes() == b"\x7fELF kernel"
    target.write_bytes(b"kept")
    assert image.unpacked(packed, cache).read_bytes() == b"kept"


def test_a_newer_kernel_package_is_unpacked_again(tmp_path):
    packed = tmp_path / "vmlinuz-1"
    packed.write_bytes(bzimage(lzma.compress(b"old")))
    target = image.unpacked(packed, tmp_path)
    packed.write_bytes(bzimage(lzma.compress(b"new")))
    later = target.stat().st_mtime + 10
    os.utime(packed, (later, later))
    assert image.unpacked(packed, tmp_path).read_bytes() == b"new"


@pytest.mark.parametrize("content", [bzimage(b"\x28\xb5\x2f\xfd zstd"), b"no kernel at all"])
def test_an_image_packed_otherwise_is_booted_as_it_is(tmp_path, content):
    packed = tmp_path / "vmlinuz-1"
    packed.write_bytes(content)
    assert image.unpacked(packed, tmp_path / "cache") == packed


def test_modules_come_after_what_they_need_and_each_once(tmp_path):
    (tmp_path / "modules.dep").write_text(
        "k/9p.ko: k/9pnet.ko k/netfs.ko\nk/9pnet.ko:\nk/netfs.ko:\n"
        "k/9pnet-virtio.ko: k/9pnet.ko k/virtio.ko\nk/virtio.ko:\n"
    )
    found = initramfs.module_files(tmp_path, ["9pnet_virtio", "9p", "built_in"])
    assert [path.name for path in found] == ["virtio.ko", "9pnet.ko", "9pnet-virtio.ko", "netfs.ko", "9p.ko"]


def test_packed_modules_are_unpacked_and_strange_ones_refused(tmp_path):
    (tmp_path / "a.ko.xz").write_bytes(lzma.compress(b"module"))
    (tmp_path / "a.ko.zst").write_bytes(b"")
    assert initramfs.module_content(tmp_path / "a.ko.xz") == b"module"
    with pytest.raises(GuestError, match="not understood"):
        initramfs.module_content(tmp_path / "a.ko.zst")


@pytest.mark.skipif(shutil.which("cpio") is None, reason="the reader of the archive is not installed")
def test_cpio_reads_the_archive(tmp_path):
    files = [
        ("bin", initramfs.FOLDER, b""),
        ("bin/sh", initramfs.FILE, b"shell"),
        ("init", initramfs.FILE, b"#!"),
    ]
    subprocess.run(["cpio", "-i", "--quiet"], input=initramfs.archive(files), cwd=tmp_path, check=True)
    assert (tmp_path / "bin" / "sh").read_bytes() == b"shell"
    assert os.access(tmp_path / "init", os.X_OK)


def test_a_kvm_device_is_not_touched_where_the_processor_cannot_virtualise(tmp_path):
    (tmp_path / "cpuinfo").write_text("flags : fpu hypervisor\n")
    assert not vm.can_virtualise(Path("/dev/null"), tmp_path / "cpuinfo", "/no/such/qemu")


@pytest.mark.parametrize(("script", "verdict"), [("cat", True), ("exit 1", False), ("sleep 1000", False)])
def test_kvm_counts_only_when_qemu_answers_with_it_in_time(tmp_path, script, verdict):
    (tmp_path / "cpuinfo").write_text("flags : fpu svm\n")
    qemu = tmp_path / "qemu"
    qemu.write_text(f"#!/bin/sh\nexec {script}\n" if script != "exit 1" else "#!/bin/sh\nexit 1\n")
    qemu.chmod(0o755)
    assert vm.can_virtualise(Path("/dev/null"), tmp_path / "cpuinfo", str(qemu), limit=0.5) is verdict


def test_the_guest_gets_the_hosts_files_read_only_and_the_forwards(tmp_path, monkeypatch):
    monkeypatch.setattr(vm, "emulator", lambda: "qemu")
    forward = Forward(host="127.0.0.1", host_port=8080, guest_port=80)
    job = make_job(tmp_path, "true", kind="vm", forwards=(forward,))
    words = vm.command_line(job, Consoles(7, 8), Path("/k"), Path("/i"), kvm=False)
    shares = [word for word in words if word.startswith("local,")]
    assert "path=/," in shares[0]
    assert "readonly=on" in shares[0]
    assert f"path={job.exchange}" in shares[1]
    assert "readonly=off" in shares[1]
    assert any("hostfwd=tcp:127.0.0.1:8080-:80" in word for word in words)
    assert "kvm" not in words
