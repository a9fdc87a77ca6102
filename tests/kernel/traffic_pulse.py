"""pulse for a kernel without nftables: everything is real but the table `inet piranha`, which is a file.

NAT's answers need IPVS alone; the masquerade of the table is for what real servers ask of the outside by
themselves. So NAT can be seen in User-Mode Linux too, and the virtual machine shows it with real nftables.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from lvs.config.model import Address
from lvs.pulse.__main__ import main
from lvs.router import netfilter
from lvs.router.state import Netfilter


class NetfilterFile:
    """What `lvs.router.netfilter` offers to `lvs.router.apply`, kept over the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Netfilter | None:
        return pickle.loads(self.path.read_bytes()) if self.path.exists() else None

    def replace(self, netfilter: Netfilter) -> None:
        self.path.write_bytes(pickle.dumps(netfilter))

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def hold_resets(self, addresses: Iterable[Address], real_servers: Iterable[Address] = ()) -> None:
        """The lab's switch does it instead, all the time (`tests.kernel.failover_switch`)."""

    def let_resets_out(self) -> None:
        """There is nothing to end."""


def run(words: Sequence[str] | None = None) -> int:
    """Runs pulse until it ends; its exit status. With a stand-in where PIRANHA_NETFILTER_FILE names one."""
    if path := os.environ.get("PIRANHA_NETFILTER_FILE"):
        stand_in = NetfilterFile(Path(path))
        netfilter.read = stand_in.read
        netfilter.replace = stand_in.replace
        netfilter.remove = stand_in.remove
        netfilter.hold_resets = stand_in.hold_resets
        netfilter.let_resets_out = stand_in.let_resets_out
    return main(words)


if __name__ == "__main__":
    sys.exit(run())
