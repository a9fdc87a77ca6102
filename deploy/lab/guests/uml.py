"""User-Mode Linux: Debian's kernel as an ordinary process. Boots in two seconds, has IPVS, needs no root.

It lacks nftables' ip and inet families (Debian's configuration of it); what needs them runs in the VM.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from deploy.lab.guests.job import GuestError, Job
from deploy.lab.guests.process import Consoles, run

INIT = Path(__file__).with_name("init.sh")


def kernel() -> str:
    """The path of Debian's User-Mode Linux. Raises GuestError."""
    path = shutil.which("linux.uml")
    if path is None:
        raise GuestError("User-Mode Linux is not installed; install it with: apt-get install user-mode-linux")
    return path


def command_line(job: Job, consoles: Consoles) -> list[str]:
    """The arguments for linux.uml (user-mode-linux(1)): the host's files as a read-only root."""
    return [
        kernel(),
        f"mem={job.memory}M",
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        f"init={INIT}",
        "piranha.share=hostfs",
        f"piranha.project={job.project}",
        f"piranha.exchange={job.exchange}",
        "piranha.output=/dev/tty0",
        f"uml_dir={job.exchange}/",
        f"con0=null,fd:{consoles.output}",
        "con=null",
        f"ssl0=null,fd:{consoles.log}",
        "ssl=null",
        "console=ttyS0",
        "panic=-1",
        *([] if job.verbose else ["quiet"]),
    ]


def boot(job: Job) -> int:
    """Runs the job in a fresh guest and returns its exit status. Raises GuestError."""
    return run(lambda consoles: command_line(job, consoles), job)
