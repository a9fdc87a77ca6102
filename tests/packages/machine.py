"""Debian 12 as just installed, booted with systemd in namespaces; what it changes is thrown away."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.namespaces import batch

PROJECT = Path(__file__).resolve().parents[2]
KEPT = PROJECT / "var" / "packages"
SUITE = "bookworm"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "iproute2",
    "nftables",
    "kmod",
    "python3",
    "adduser",
    "redis-server",
    "curl",
    "procps",
    "man-db",
    "media-types",
    "tzdata",
    "openssh-server",
    "postgresql",
)
# Services of these that only a scene that wants them starts.
ASLEEP = ("redis-server", "ssh", "postgresql", "postgresql@15-main")
# The disk outlives a crash of the machine, not the one who made it: it is in memory, and only this shell
# holds on to it.
DISK = """
set -e
mount --make-rprivate /
mount -t tmpfs -o size=2g tmpfs "$PLACE"
mkdir "$PLACE/upper" "$PLACE/work" "$PLACE/root"
[ -z "$IMAGE" ] || tar --extract --numeric-owner --file "$IMAGE" --directory "$PLACE/upper"
mount -t overlay -o "lowerdir=$LOWER,upperdir=$PLACE/upper,workdir=$PLACE/work" overlay "$PLACE/root"
cd "$PLACE/root"
mkdir -p exchange
echo "$NAME" >etc/hostname
echo "127.0.0.1 localhost $NAME" >etc/hosts
echo made
read -r _
"""
# Devices are this machine's, a few of them. It begins once its cables are plugged in.
BOOT = """
set -e
mount --make-rprivate /
cd "$PLACE/root"
mount --bind "$EXCHANGE" exchange
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 dev dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
ln -s /proc/self/fd dev/fd
mkdir dev/shm dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
hostname "$NAME"
ip link set lo up
read -r _
pivot_root . mnt
umount -l /mnt
exec env -i container=piranha-test PATH=/usr/sbin:/usr/bin /sbin/init --log-target=console --show-status=0 \
    </dev/null
"""
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


def clean_debian() -> Path:
    """A minimal Debian 12 in a folder, made at the first call (a minute) from this machine's apt sources."""
    root = KEPT / f"{SUITE}-{hashlib.sha256(' '.join(PACKAGES).encode()).hexdigest()[:12]}"
    if root.is_dir():
        return root
    KEPT.mkdir(parents=True, exist_ok=True)
    part = root.with_name(f"part-{os.getpid()}")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, part, ignore_errors=True)
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "--format=directory",
             f"--include={','.join(PACKAGES)}", SUITE, str(part)],
            check=True,
        )  # fmt: skip
        (part / "etc/hostname").write_text("router1\n")
        (part / "etc/hosts").write_text("127.0.0.1 localhost router1\n")
        timers = ("man-db.timer", "apt-daily.timer", "apt-daily-upgrade.timer")
        for unit in (*(f"{name}.service" for name in ASLEEP), *timers):
            (part / "etc/systemd/system" / unit).unlink(missing_ok=True)
            (part / "etc/systemd/system" / unit).symlink_to("/dev/null")
        part.rename(root)
    return root


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    """Waits for a condition; AssertionError when it does not come."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what} did not come within {seconds:.0f} s"
        time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Cable:
    """An interface of a machine, plugged into a bridge. lines: for ip(8) on the machine: its addresses."""

    switch: str
    bridge: str
    device: str
    lines: tuple[str, ...]


class Machine:
    """One of them. exchange: a folder of ours that it sees as /exchange. name: its host name.

    image: what another one had on its disk (keep); without, it has a Debian that was just installed.
    """

    def __init__(self, place: Path, exchange: Path, name: str = "router1", image: Path | None = None) -> None:
        self.name, self._image = name, image
        self._place, self._exchange = place, exchange
        self._group = cgroups() / f"piranha-packages-{os.getpid()}-{name}"
        self._process: subprocess.Popen[bytes] | None = None
        self._disk: subprocess.Popen[bytes] | None = None
        self._cables: list[Cable] = []
        self._init = 0

    def join(self, switch: str, bridge: str, device: str, *addresses: str, via: str | None = None) -> None:
        """Plugs it, from its next start on, into a bridge of the network namespace switch.

        addresses: of device, with prefix length. via: its way to everywhere else.
        """
        lines = [f"address add {address} dev {device}" for address in addresses]
        lines += [f"link set {device} up", *([f"route add default via {via}"] if via else [])]
        self._cables.append(Cable(switch, bridge, device, tuple(lines)))

    def start(self) -> None:
        """Boots it, after crash() with the disk as it was left; waits until all that it starts runs."""
        self._group.mkdir(exist_ok=True)
        disk = self._disk_process()
        with (self._exchange / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["nsenter", "--target", str(disk.pid), "--mount", "--wd=/",
                 "unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork",
                 "--kill-child=SIGKILL", "sh", "-c", BOOT],
                env={**os.environ, **self._places()},
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=self._join_group,
            )  # fmt: skip
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        wait_until(lambda: bool(children.read_text().split()), "the first process", 20)
        self._init = int(children.read_text().split()[0])
        self._plug_in()
        assert self._process.stdin is not None
        self._process.stdin.write(b"begin\n")
        self._process.stdin.close()
        comm = Path(f"/proc/{self._init}/comm")
        wait_until(lambda: comm.read_text().strip() == "systemd", "systemd", 60)
        wait_until(lambda: self.said("systemctl", "is-system-running") in ("running", "degraded"), "the boot")

    def _disk_process(self) -> subprocess.Popen[bytes]:
        """The shell that holds its disk; made at the first call."""
        if self._disk is None:
            self._place.mkdir(exist_ok=True)
            self._disk = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", DISK],
                env={**os.environ, **self._places(), "LOWER": str(clean_debian())},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
            assert self._disk.stdout is not None
            assert self._disk.stdout.readline() == b"made\n", f"there is no disk for {self.name}"
        return self._disk

    def _plug_in(self) -> None:
        """Its cables, before it boots."""
        namespace = Path(f"/proc/{self._init}/ns/net")
        ours = Path("/proc/self/ns/net").readlink()
        wait_until(lambda: namespace.readlink() != ours, "a network of its own", 20)
        for cable in self._cables:
            port = f"{self.name}-{cable.device}"
            ends = (
                f"link add {port} netns {cable.switch} type veth peer name {cable.device} netns {self._init}"
            )
            batch([ends])
            batch([f"link set {port} master {cable.bridge} up"], cable.switch)
            self.done("ip", "-batch", "-", text="\n".join(cable.lines) + "\n")

    def _join_group(self) -> None:
        (self._group / "cgroup.procs").write_text(str(os.getpid()))

    def _places(self) -> dict[str, str]:
        places = {"PLACE": str(self._place), "EXCHANGE": str(self._exchange), "NAME": self.name}
        return {**places, "IMAGE": str(self._image or "")}

    def crash(self) -> None:
        """As if its power were gone: nothing in it does anything more. Its disk is kept for another start."""
        if self._process is not None:
            # Nothing in it may see its cables go: it would hand over before it dies.
            self._freeze("1")
            for cable in self._cables:  # before it dies: its kernel is ours, and goes on for a moment
                words = ["ip", "-n", cable.switch, "link", "delete", f"{self.name}-{cable.device}"]
                subprocess.run(words, capture_output=True, check=False)  # that fails after shut_down
            self._process.kill()
            self._process.wait()
            events = self._group / "cgroup.events"
            wait_until(lambda: "populated 0" in events.read_text(), "the end of all in it", 20)
            self._freeze("0")
            self._process = None

    def _freeze(self, wanted: str) -> None:
        """Has its processes stand still, or go on (cgroups of version 2, cgroup.freeze)."""
        (self._group / "cgroup.freeze").write_text(wanted)
        events = self._group / "cgroup.events"
        wait_until(lambda: f"frozen {wanted}" in events.read_text(), "the processes to stand still", 20)

    def shut_down(self) -> None:
        """As an administrator does it. Its disk is kept for another start."""
        assert self._process is not None
        self.run("systemctl", "poweroff")
        process = self._process
        wait_until(lambda: process.poll() is not None, f"{self.name} to be off")
        self.crash()

    def keep(self, image: Path) -> None:
        """Writes what it changed on its disk to a file, for others that begin with it; it must be off."""
        assert self._process is None, f"{self.name} is on"
        assert self._disk is not None
        words = ["nsenter", "--target", str(self._disk.pid), "--mount", "--wd=/", "tar", "--create"]
        with image.open("wb") as file:
            subprocess.run([*words, "--directory", str(self._place / "upper"), "."], stdout=file, check=True)

    def stop(self) -> None:
        """Ends all of it, and its disk."""
        self.crash()
        if self._disk is not None:
            self._disk.communicate(b"\n")
            self._disk = None
        for folder in sorted((self._group, *self._group.rglob("*/")), reverse=True):
            with contextlib.suppress(FileNotFoundError):  # it was never booted
                folder.rmdir()

    def inside(self, *words: str) -> list[str]:
        """A command as it is to be started here to run in there, as root."""
        return ["nsenter", "--target", str(self._init), "--all", *words]

    def run(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command as root in there. text: for its standard input."""
        return subprocess.run(
            self.inside(*words),
            env=ENVIRONMENT,
            input=text,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def said(self, *words: str) -> str:
        """What it prints, whatever comes of it."""
        return self.run(*words).stdout.strip()

    def done(self, *words: str, text: str | None = None) -> str:
        """What it prints; AssertionError with all of it where it fails."""
        ran = self.run(*words, text=text)
        assert ran.returncode == 0, (
            f"{' '.join(words)} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        )
        return ran.stdout

    @property
    def root(self) -> Path:
        """Its files, as we see them; sockets among them."""
        return Path(f"/proc/{self._init}/root")

    def is_active(self, unit: str) -> bool:
        return self.said("systemctl", "is-active", unit) == "active"

    def files(self) -> set[str]:
        """Every file, but for what every run of dpkg, systemd and man leaves behind."""
        passed = ("/proc", "/sys", "/dev", "/run", "/tmp", "/exchange", "/var/log", "/var/cache", "/var/tmp")
        passed += ("/var/lib/dpkg", "/var/lib/apt", "/var/lib/systemd", "/root", "/mnt")
        words = [word for path in passed for word in ("-path", path, "-prune", "-o")]
        return set(self.done("find", "/", "-xdev", *words, "-print").splitlines())


def cgroups() -> Path:
    """Where this machine's cgroups of version 2 are."""
    for folder in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (folder / "cgroup.procs").exists() and not (folder / "tasks").exists():
            return folder
    raise RuntimeError("There are no cgroups of version 2 here: mount -t cgroup2 cgroup2 /sys/fs/cgroup")


@contextlib.contextmanager
def machines(
    folder: Path, *names: str, images: Mapping[str, Path] | None = None
) -> Iterator[dict[str, Machine]]:
    """Machines, not booted yet, as long as the block lasts; folder/exchange is the /exchange of all.

    images: the disks that some of them begin with (Machine.keep), by name.
    """
    exchange = folder / "exchange"
    exchange.mkdir(exist_ok=True)
    made = {name: Machine(folder / name, exchange, name, (images or {}).get(name)) for name in names}
    try:
        yield made
    finally:
        for machine in made.values():
            machine.stop()


@contextlib.contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """A machine without a network, as long as the block lasts; folder/exchange is its /exchange."""
    with machines(folder, "router1") as made:
        made["router1"].start()
        yield made["router1"]
