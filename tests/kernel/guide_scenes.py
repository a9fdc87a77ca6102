"""What the guide has people type on routers and real servers, in the lab: its addresses are the guide's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import inside
from lvs.config.check import load
from lvs.config.writer import write
from lvs.errors import LvsError
from tests.kernel import traffic
from tests.kernel.failover_lab import OTHER, Pair
from tests.kernel.failover_nursery import Nursery
from tests.kernel.traffic import LIMIT, until, virtual
from tests.packages.follow import Follower, Hand, Step
from tests.packages.manual import contents

ROOT = Path(__file__).resolve().parents[2]
# The machine's own /run/piranha: the lab's machines share one file system.
ENTER = 'mkdir -p /run/piranha && mount --bind "$0" /run/piranha && cd "$1" && exec bash -c "$2"'
NAT, CLIENTS = "docs/guide/nat.md", "docs/operations/clients-cannot-connect.md"
FLAPPING, REFUSED = "docs/operations/flapping.md", "docs/operations/apply-refused.md"
SEE = "See that it works"


@dataclass
class LabMachine:
    """A machine of the lab, whose /run/piranha is a folder of its own."""

    name: str
    folder: Path

    def typed(self, line: str, folder: str, answers: Mapping[str, str] | None) -> tuple[int, str]:
        """A line for a shell there. None of these asks."""
        assert answers is None
        path = f"{ROOT / '.venv/bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        with inside(self.name):
            done = subprocess.run(
                ["unshare", "--mount", "bash", "-c", ENTER, str(self.folder), folder, line],
                env={**os.environ, "PATH": path},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=2 * LIMIT, check=False,
            )  # fmt: skip
        return done.returncode, done.stdout


class LabReader(Follower):
    """Somebody who reads the guide in the lab."""

    def __init__(self, pair: Pair, folder: Path) -> None:
        self.pair = pair
        folders = {name: folder / name for name in (network.CLIENT, *network.REAL_SERVERS)}
        for one in folders.values():
            one.mkdir()
        folders |= {name: machine.folder for name, machine in pair.machines.items()}
        super().__init__({name: LabMachine(name, one) for name, one in folders.items()})

    def apply(self, text: str, confirm_within: float | None = None) -> None:
        """What Apply does with an lvs.cf: a number, and to both."""
        self.pair.serial += 1
        text = f"serial_no = {self.pair.serial}\n" + text.replace("serial_no = 0\n", "")
        for machine in self.pair.machines.values():
            machine.client.install(text, confirm_within=confirm_within)


@contextmanager
def reading(lab: Lab, folder: Path) -> Iterator[LabReader]:
    """The lab with two routers that know nothing yet, and its reader; afterwards the lab as it was."""
    with ExitStack() as stack:
        stack.callback(set_direct, lab, "replace", 1, 2)
        nursery = Nursery()
        stack.callback(nursery.close)
        pair = Pair(lab, folder, nursery)
        stack.callback(pair.close)
        for name in network.ROUTERS:
            pair.start(name)
            until(partial(pair.answers, name), f"pulse of {name} answers", pair.told)
        yield LabReader(pair, folder)


def is_active(router: str, reader: LabReader) -> None:
    """Waits until that router serves, the other stands by, and both hear each other."""

    def so() -> bool:
        said = {name: (reader.pair.status(name) or {}).get("redundancy") for name in (router, OTHER[router])}
        roles = [one and one["role"] for one in said.values()]
        return roles == ["active", "standby"] and all(
            one["peer"] and one["peer"]["alive"] and not one["hand_over_refused"] for one in said.values()
        )

    until(so, f"{router} is active, and {OTHER[router]} stands by", reader.pair.told)


def apply_nat(reader: LabReader) -> None:
    """What the page says; r1 is active then, also where r2 was quicker on a busy machine."""
    reader.apply(contents(NAT, "The steps", "lvs"))

    def one_is() -> bool:
        roles = {name: (reader.pair.status(name) or {}).get("role") for name in OTHER}
        if roles["r2"] == "active":
            with suppress(LvsError):  # not before both know each other
                reader.pair.machines["r2"].client.hand_over()
        return roles["r1"] == "active"

    until(one_is, "r1 is active", reader.pair.told)
    is_active("r1", reader)


def apply_others(reader: LabReader) -> None:
    """The virtual servers of the pages about direct routing and tunnels, beside that of NAT."""
    config = load(contents(NAT, "The steps", "lvs"))
    more = (virtual("intranet", traffic.DIRECT), virtual("film", traffic.TUNNEL))
    reader.apply(write(replace(config, virtual_servers=(*config.virtual_servers, *more))))


def forget_direct(reader: LabReader) -> None:
    """s1 as it was before its set-up."""
    set_direct(reader.pair.lab, "del", 0, 0)


def set_direct(lab: Lab, verb: str, ignore: int, announce: int) -> None:
    """Gives s1 the virtual address and its silence about it, or takes them away."""
    for line in (f"ip address {verb} {network.DIRECT_VIP}/32 dev lo",
                 f"sysctl -w net.ipv4.conf.all.arp_ignore={ignore}",
                 f"sysctl -w net.ipv4.conf.all.arp_announce={announce}"):  # fmt: skip
        lab.run("s1", line, check=False)


def confirm_later(reader: LabReader) -> None:
    reader.pair.serial = 41
    reader.apply(contents(NAT, "The steps", "lvs"), confirm_within=600)


def one_down(reader: LabReader) -> None:
    reader.pair.lab.stop_server("s2")


SWITCH_BY_HAND = "docs/redundancy.md"
PAIR: tuple[Step | Hand, ...] = (
    Hand("what the page's lvs.cf says is applied", apply_nat),
    Step(page=NAT, heading=SEE, on="r1", only=("ip -brief address", "piranha server list"),
         comes={"ip -brief address": r"eth0\S* +UP +192\.168\.26\.9/24 (.* )?192\.168\.26\.10/",
                "piranha server list": r"(?s)s1 10\.11\.12\.1:80: healthy.* s3 10\.11\.12\.3:80: healthy"}),
    Step(page=NAT, heading=SEE, on="client", only=("curl http://192.168.26.10/",),
         says={"curl http://192.168.26.10/": r"\bs[123]\b"}),
    Step(page=NAT, heading=SEE, on="r1", only=("piranha server check shop/s1",)),
    Step(page=CLIENTS, heading="In one minute", on="r1", only=("piranha status", "piranha server list"),
         comes={"piranha status": r"(?s)r1 \(primary\): active for.*public .*: alive.*private .*: alive",
                "piranha server list": r"shop \(tcp 192\.168\.26\.10:80\)"}),
    Step(page=CLIENTS, heading="Do requests arrive?", on="r1",
         says={"piranha connections --virtual-server shop --limit 5": r"192\.168\.26\.100",
               "ipvsadm -Ln": r"(?s)TCP  192\.168\.26\.10:80 .*-> 10\.11\.12\.1:80 +Masq"}),
    Step(page="docs/operations/both-active.md", heading="What to do", on="r1"),
    Hand("the web server of s2 ends", one_down),
    Step(page=FLAPPING, heading="At a router's console", on="r1",
         only=("piranha server history shop/s2", "piranha server test shop/s2"),
         comes={"piranha server history shop/s2": r"verdict: failed for .*connect: refused"},
         says={"piranha server test shop/s2": r"bad: connect: refused"},
         ends={"piranha server test shop/s2": 1}),
    Step(page=CLIENTS, heading="Do answers come back?", on="r1",
         says={"piranha server check shop/s2": r"Nothing listens on tcp 80 at 10\.11\.12\.2 of s2"},
         ends={"piranha server check shop/s2": 1}),
    Step(page=FLAPPING, heading="To have quiet now", on="r1"),
    Step(page="docs/guide/tiers.md", on="r1", own={"shop/web1": "shop/s1", "shop/web2": "shop/s3"}),
    Step(page=SWITCH_BY_HAND, heading="To work on one of the routers", on="r1"),
    Hand("r2 has taken over", lambda reader: is_active("r2", reader)),
    Step(page="docs/operations/router-silent.md", on="r2",
         says={"piranha status": r"r2 \(backup\): active for"}),
    Step(page=SWITCH_BY_HAND, heading="To switch by hand", on="r1", only=("piranha failover",)),
    Hand("r1 takes over, as it asked for", lambda reader: is_active("r1", reader)),
    Step(page=SWITCH_BY_HAND, heading="To switch by hand", on="r1", only=("piranha failover --anyway",)),
    Hand("r2 has taken over again", lambda reader: is_active("r2", reader)),
    Step(page=SWITCH_BY_HAND, heading="To switch by hand", on="r1",
         only=("piranha failover --force", "piranha status"),
         comes={"piranha status": r"r1 \(primary\): active for"}),
    Hand("r1 serves", lambda reader: is_active("r1", reader)),
    Step(page="docs/operations/none-active.md", on="r1"),
    Hand("r1 serves still", lambda reader: is_active("r1", reader)),
    Hand("it is applied again, with a time to confirm", confirm_later),
    Step(page=REFUSED, heading="It waits for a confirmation, and the pages cannot be reached", on="r1",
         says={"piranha status": r"waits for its confirmation \d+ \w+ more"}),
    Step(page="docs/router.md", heading="The rules of netfilter", on="r1"),
)  # fmt: skip
DIRECT: tuple[Step | Hand, ...] = (
    Hand("the other ways are applied beside it", apply_others),
    Hand("s1 forgets what the lab has set up", forget_direct),
    Step(page="docs/guide/direct.md", heading="The steps", on="s1"),
    Step(page="docs/guide/direct.md", heading=SEE, on="r1",
         comes={"piranha server check intranet/s1": r"who has 192\.168\.26\.20 on eth0: nobody else"}),
    Step(page="docs/guide/tunnel.md", on="r1"),
)  # fmt: skip
# Beside the virtual server of its test (test_ftp.py), whose address and ports are the page's.
FTP: tuple[Step | Hand, ...] = (
    Step(page="docs/guide/ftp.md", on="client",
         says=dict.fromkeys(("curl --ftp-pasv ftp://192.168.26.10/",
                             "curl --ftp-port - ftp://192.168.26.10/"), r"\bbig\b")),
)  # fmt: skip
SCENES = {"PAIR": PAIR, "DIRECT": DIRECT}
