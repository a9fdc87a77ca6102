"""vsftpd on the lab's real servers, set up by the scripts that the product gives, and curl as its client."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import in_namespace, inside
from lvs.config.model import LvsConfig
from lvs.realservers import setups
from tests.kernel.traffic import LIMIT, until
from tests.real_machine import RealMachine

SIZE = 3_000_000  # bytes that are moved each way
# An anonymous server with a folder for uploads; what balancing needs is not here, but comes from the script.
PLAIN = """\
listen=NO
listen_ipv6=YES
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={root}
anon_upload_enable=YES
write_enable=YES
secure_chroot_dir={empty}
ftpd_banner={name}
"""
MODES: Mapping[str, tuple[str, ...]] = {
    "PORT": ("--ftp-port", "-", "--disable-eprt"),
    "EPRT": ("--ftp-port", "-"),
    "PASV": ("--disable-epsv", "--no-ftp-skip-pasv-ip"),  # curl is not to guess the address that it is told
    "EPSV": ("--ftp-pasv",),
}
FAMILY6 = ("EPRT", "EPSV")  # the only ones with IPv6 (RFC 2428)


@dataclass(frozen=True)
class Moved:
    """A file that went one way. server: who said hello; seconds: all of it; told: where passive data went."""

    server: str
    seconds: float
    told: str


class FtpServers:
    """The FTP servers; each has a file of its own, so that a wrong one shows."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        for name in network.REAL_SERVERS:
            root = folder / name / "root"
            (root / "in").mkdir(parents=True)
            (root / "in").chmod(0o777)
            (folder / name / "empty").mkdir()
            (root / "big").write_bytes(content(name))

    def start(self, config: LvsConfig) -> None:
        """Starts them anew, each set up as the product says for the machine in this configuration."""
        self.stop()
        for name in network.REAL_SERVERS:
            self.running[name] = self._started(name, self._set_up(name, config))
        for name in network.REAL_SERVERS:
            until(partial(listens, name), f"the FTP server of {name} listens", partial(self.said, name))

    def _set_up(self, name: str, config: LvsConfig) -> Path:
        place = self.folder / name
        machine = place / "machine"
        if machine.exists():
            shutil.rmtree(machine)
        machine.mkdir()
        real = RealMachine(name, machine)
        file = real.file("/etc/vsftpd.conf")
        file.write_text(PLAIN.format(name=name, root=place / "root", empty=place / "empty"))
        server = next(
            one for service in config.virtual_servers for one in service.real_servers if one.name == name
        )
        (setup,) = [one for one in setups(config, None, server) if one.way.startswith("ftp-")]
        real.run(setup)
        return file

    def lines(self, name: str) -> list[str]:
        """What stands in a server's configuration."""
        return (self.folder / name / "machine/etc/vsftpd.conf").read_text().splitlines()

    def _started(self, name: str, file: Path) -> subprocess.Popen[bytes]:
        with (self.folder / name / "log").open("ab") as log:
            return subprocess.Popen(
                in_namespace(name, ["/usr/sbin/vsftpd", str(file)]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def said(self, name: str) -> str:
        return (self.folder / name / "log").read_text()

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
        self.running.clear()

    def get(self, address: str, mode: str, *, source: str | None = None) -> Moved:
        """The client takes the file; it must be the one of the server that it speaks to."""
        target = self.folder / "got"
        moved = self._curl(address, mode, source, "big", "-o", str(target))
        assert digest(target.read_bytes()) == digest(content(moved.server)), moved
        return moved

    def put(self, address: str, mode: str, *, source: str | None = None) -> Moved:
        """The client gives a file; the server that it speaks to must have it then."""
        sent = content("client")
        (self.folder / "sent").write_bytes(sent)
        for name in network.REAL_SERVERS:
            (self.folder / name / "root/in/sent").unlink(missing_ok=True)
        moved = self._curl(address, mode, source, "in/", "-T", str(self.folder / "sent"))
        came = self.folder / moved.server / "root/in/sent"
        assert came.exists(), moved
        until(lambda: came.stat().st_size == SIZE, "the whole file is there")
        assert digest(came.read_bytes()) == digest(sent), moved
        return moved

    def _curl(self, address: str, mode: str, source: str | None, path: str, *more: str) -> Moved:
        host = f"[{address}]" if ":" in address else address
        words = ["curl", "-sSv", "--max-time", str(int(LIMIT)), "-w", "seconds %{time_total}\n", *MODES[mode]]
        if source:
            words += ["--interface", source]
        said = self.lab.run(network.CLIENT, [*words, *more, f"ftp://{host}/{path}"])
        assert re.search(rf"^> {mode}\b", said, re.MULTILINE), said
        (server,) = re.findall(r"^< 220 (\w+)", said, re.MULTILINE)
        (seconds,) = re.findall(r"^seconds ([\d.]+)", said, re.MULTILINE)
        told = re.findall(r"^< 22[79] .*\((.*)\)", said, re.MULTILINE)
        return Moved(server, float(seconds), told[0] if told else "")


@contextmanager
def ftp_servers(lab: Lab) -> Iterator[FtpServers]:
    """The servers, none of them started; ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ftp-", dir="/run"))  # where vsftpd's user may go, unlike pytest's
    folder.chmod(0o755)
    made = FtpServers(lab, folder)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def content(name: str) -> bytes:
    return Random(name).randbytes(SIZE)


def digest(of: bytes) -> str:
    return hashlib.sha256(of).hexdigest()


def listens(name: str) -> bool:
    """Whether something takes connections at port 21 of a machine."""
    with inside(name), socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", 21)) == 0
