"""A virtual machine with Debian's own kernel: everything a router needs, nftables included. Needs no root.

QEMU starts the unpacked kernel directly (PVH). Where the processor cannot virtualise, QEMU translates (TCG):
boots in four seconds, runs Python some ten times slower than the host. The machine is q35 and not the smaller
microvm, since that has no HPET: on a busy host its kernel cannot find out how fast its clock runs, and hangs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from deploy.lab.guests import image, initramfs
from deploy.lab.guests.job import GuestError, Job
from deploy.lab.guests.process import Consoles, run

INIT = Path(__file__).with_name("init.sh")
MODULES = ("virtio_pci", "virtio_console", "virtio_net", "9pnet_virtio", "9p")
SHARE = "trans=virtio,version=9p2000.L,msize=262144"
# cache=loose: the host's files are taken not to change while the guest runs.
MOUNT_ROOT = f"mount -t 9p -o ro,{SHARE},cache=loose root /root\nmount -t devtmpfs devtmpfs /root/dev"
SOURCES = ("lvs", "piranha_web", "deploy")
PROBE_SECONDS = 5.0


def emulator() -> str:
    """The path of QEMU. Raises GuestError."""
    path = shutil.which("qemu-system-x86_64")
    if path is None:
        raise GuestError("QEMU is not installed; install it with: apt-get install qemu-system-x86")
    return path


def can_virtualise(
    device: Path = Path("/dev/kvm"),
    processor: Path = Path("/proc/cpuinfo"),
    qemu: str | None = None,
    limit: float = PROBE_SECONDS,
) -> bool:
    """Whether KVM serves here: the processor has it, we may use it, QEMU answers with it in limit seconds.

    A /dev/kvm without the processor's vmx or svm is some nested substitute; those have been seen to hang.
    """
    flags = processor.read_text(encoding="ascii", errors="replace").split()
    if not {"vmx", "svm"} & set(flags) or not os.access(device, os.R_OK | os.W_OK):
        return False
    probe = [qemu or emulator(), "-accel", "kvm", "-M", "q35", "-nodefaults", "-display", "none", "-S"]
    try:
        child = subprocess.run(
            [*probe, "-monitor", "stdio"], input=b"quit\n", timeout=limit, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return False
    return child.returncode == 0


def share(tag: str, path: Path, *, writable: bool) -> list[str]:
    """A folder of the host as a 9p file system of this tag."""
    access = "off" if writable else "on"
    return [
        "-fsdev",
        f"local,id={tag},path={path},security_model=none,readonly={access},multidevs=remap",
        "-device",
        f"virtio-9p-pci,fsdev={tag},mount_tag={tag}",
    ]


def command_line(job: Job, consoles: Consoles, kernel: Path, first_files: Path, *, kvm: bool) -> list[str]:
    """The arguments for QEMU (qemu(1)): two shares, two consoles, one network card."""
    words = [
        "console=ttyS0",
        "panic=-1",
        "mitigations=off",
        "tsc=reliable",  # all processors read the host's; the kernel's own test of that fails on a busy host
        "random.trust_cpu=on",
        "piranha.share=9p",
        f"piranha.project={job.project}",
        "piranha.output=/dev/vport0p1",
        "loglevel=7" if job.verbose else "quiet",
    ]
    forwards = "".join(
        f",hostfwd=tcp:{forward.host}:{forward.host_port}-:{forward.guest_port}" for forward in job.forwards
    )
    return [
        *(emulator(), "-M", "q35,usb=off,smbus=off,sata=off"),
        *(("-accel", "kvm", "-cpu", "host") if kvm else ("-accel", "tcg,thread=multi", "-cpu", "max")),
        *("-smp", str(min(os.cpu_count() or 1, 4)), "-m", f"{job.memory}M"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", str(kernel), "-initrd", str(first_files), "-append", " ".join(words)),
        *("-chardev", f"file,id=log,path=/dev/fd/{consoles.log}", "-serial", "chardev:log"),
        *("-chardev", f"file,id=output,path=/dev/fd/{consoles.output}"),
        *("-device", "virtio-serial-pci", "-device", "virtserialport,nr=1,chardev=output"),
        *share("root", Path("/"), writable=False),
        *share("exchange", job.exchange, writable=True),
        *("-netdev", f"user,id=net,ipv6=off{forwards}", "-device", "virtio-net-pci,netdev=net,romfile="),
    ]


def boot(job: Job) -> int:
    """Runs the job in a fresh guest and returns its exit status. Raises GuestError."""
    emulator()
    packed, tree = image.newest()
    kernel = image.unpacked(packed, cache_folder(job.project))
    compile_sources(job.project)
    first_files = job.exchange / "initramfs"
    modules = initramfs.module_files(tree, MODULES)
    first_files.write_bytes(initramfs.build(modules, MOUNT_ROOT, INIT))
    kvm = can_virtualise()
    return run(lambda consoles: command_line(job, consoles, kernel, first_files, kvm=kvm), job)


def compile_sources(project: Path) -> None:
    """Brings the project's compiled Python files up to date: a guest cannot write them, and is slow without.

    What cannot be compiled is left for the guest to complain of.
    """
    python = project / ".venv" / "bin" / "python"
    sources = [name for name in SOURCES if (project / name).is_dir()]
    if os.access(python, os.X_OK):
        subprocess.run([python, "-m", "compileall", "-qq", *sources], cwd=project, check=False)


def cache_folder(project: Path) -> Path:
    """Where the unpacked kernel is kept: the project's var, or else the user's cache."""
    if os.access(project, os.W_OK):
        return project / "var" / "guest"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "piranha-guest"
