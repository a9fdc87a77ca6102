"""Who has the floating addresses: the words that pulse and its heart share. Pure.

Apart from `lvs.router.state`, which has them too, for the heart: it must start in a moment, and most of what
a small Python program does at its start is to make classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from lvs.config.address import Address


class Role(StrEnum):
    """What a router does now; which machine it is (primary, backup) is `Node`."""

    ACTIVE = "active"
    STANDBY = "standby"


class Node(StrEnum):
    """Which machine of the pair this is; never changes by itself."""

    PRIMARY = "primary"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True, order=True)
class InterfaceAddress:
    """An address on an interface; label as in `ip address` (eth0:1), "" for none (IPv6 has none)."""

    address: Address
    prefix: int
    interface: str
    label: str = ""

    def document(self) -> dict[str, str | int]:
        """Its fields as JSON has them."""
        return {
            "address": str(self.address),
            "prefix": self.prefix,
            "interface": self.interface,
            "label": self.label,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> InterfaceAddress:
        """The address of a document; KeyError, TypeError or ValueError when it is none."""
        return cls(
            address=ip_address(document["address"]),
            prefix=int(document["prefix"]),
            interface=str(document["interface"]),
            label=str(document["label"]),
        )
