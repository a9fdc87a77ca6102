"""Carries out checks until it is ended, as pulse does: verdicts, history and all.

python -m tests.bench.carrying COUNT EVERY
"""

from __future__ import annotations

import asyncio
import sys
from ipaddress import ip_address

from lvs.config.model import Protocol
from lvs.nanny.checker import Checker, Target, Watched
from lvs.nanny.checks import Check
from lvs.nanny.health import Patience, Verdict
from lvs.router.state import DestinationKey, Family, ServiceKey
from tests.bench.targets import PORT, address

_SERVICE = ServiceKey(Family.V4, Protocol.TCP, ip_address("127.0.0.1"), PORT)


def main(count: int, every: float) -> None:
    checker = Checker(_told, limit=4096)
    patience = Patience()
    checker.watch(
        {
            (_SERVICE, DestinationKey(address(number), PORT)): Watched(
                Check(address(number), PORT, Protocol.TCP, every), patience
            )
            for number in range(count)
        }
    )
    asyncio.run(checker.run())


def _told(target: Target, before: Verdict, after: Verdict) -> None:
    pass


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
