"""keepalived on the lab's routers, to be measured beside pulse: VRRP version 3, no preemption.

Debian's package, version 2.2.7; only tests run it. The NAT virtual address and the real servers' gateway move
together, as pulse moves them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import in_namespace
from tests.kernel.failover_lab import OTHER, clear
from tests.kernel.failover_owners import Owners
from tests.kernel.failover_switch import Switch
from tests.kernel.traffic import LIMIT, PRIVATE, until

PRIORITIES = {"r1": 150, "r2": 100}
SETTLES = 6  # intervals until a keepalived that was started has heard the other and its own timers are armed


def conf(router: str, interval: float) -> str:
    """keepalived.conf(5) of one router."""
    instances = "".join(
        f"""vrrp_instance {name} {{
  state BACKUP
  interface {interface}
  virtual_router_id {number}
  priority {PRIORITIES[router]}
  advert_int {interval:g}
  nopreempt
  virtual_ipaddress {{
    {address}/24
  }}
}}
"""
        for name, interface, number, address in (
            ("PUBLIC", "eth0", 51, network.NAT_VIP),
            ("PRIVATE", "eth1", 52, network.NAT_GATEWAY),
        )
    )
    check = "TCP_CHECK {\n      connect_timeout 1\n    }"
    reals = "".join(
        f"  real_server {address} 80 {{\n    weight 1\n    {check}\n  }}\n" for address in PRIVATE
    )
    return f"""global_defs {{
  router_id {router}
  vrrp_version 3
}}
vrrp_sync_group BOTH {{
  group {{
    PUBLIC
    PRIVATE
  }}
}}
{instances}virtual_server {network.NAT_VIP} 80 {{
  delay_loop 20
  lvs_sched rr
  lvs_method NAT
  protocol TCP
{reals}}}
"""


class Keepalived:
    """Both routers with keepalived."""

    def __init__(self, lab: Lab, folder: Path, interval: float) -> None:
        self.lab = lab
        self.folder = folder
        self.interval = interval
        self.switch = Switch(lab)
        self.owners = Owners(network.ROUTERS, (network.NAT_VIP, network.NAT_GATEWAY))
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.settled_at = 0.0

    def start(self, router: str) -> None:
        path = self.folder / f"{router}.conf"
        if router in self.running:
            self.running[router].wait(LIMIT)
        path.write_text(conf(router, self.interval))
        self.lab.run(router, "sysctl --quiet --write net.ipv4.ip_forward=1")
        pids = {"-p": "parent", "-r": "vrrp", "-c": "checkers"}
        files = [word for option, name in pids.items() for word in (option, f"{self.folder}/{router}.{name}")]
        for file in files[1::2]:
            Path(file).unlink(missing_ok=True)
        words = ["keepalived", "--dont-fork", "--log-console", "-f", str(path), *files]
        with (self.folder / f"{router}.log").open("ab") as log:
            self.running[router] = subprocess.Popen(in_namespace(router, words), stdout=log, stderr=log)
        self.settled_at = time.monotonic() + 1 + SETTLES * self.interval

    def pids(self, router: str) -> list[int]:
        """The parent first, which would start its children again."""
        parent = self.running[router].pid
        children = Path(f"/proc/{parent}/task/{parent}/children")
        return [parent, *map(int, children.read_text().split())] if children.exists() else []

    def stop(self, router: str) -> None:
        self.running[router].terminate()
        self.running[router].wait(LIMIT)

    def kill(self, router: str) -> None:
        for pid in self.pids(router):
            os.kill(pid, signal.SIGKILL)

    def forget(self, router: str) -> None:
        clear(self.lab, router)

    def well(self) -> bool:
        both_run = all(self.running[router].poll() is None for router in OTHER)
        return both_run and self.owners.owner() is not None and time.monotonic() > self.settled_at

    def told(self) -> str:
        return "\n".join((self.folder / f"{router}.log").read_text() for router in OTHER)

    def close(self) -> None:
        for router in self.running:
            if self.running[router].poll() is None:
                self.stop(router)
        self.switch.close()
        self.owners.close()
        for router in OTHER:
            clear(self.lab, router)


@contextmanager
def two_keepaliveds(lab: Lab, folder: Path, interval: float) -> Iterator[Keepalived]:
    """A pair that is well; afterwards the lab as it was."""
    with ExitStack() as stack:
        pair = Keepalived(lab, folder, interval)
        stack.callback(pair.close)
        pair.start("r1")
        until(lambda: pair.owners.owner() == "r1", "r1 is master", pair.told)
        pair.start("r2")
        until(pair.well, "both are settled", pair.told)
        yield pair
