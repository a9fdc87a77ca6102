"""An IP address of either version. Apart from `lvs.config.model` for who needs no more of it (the heart)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address
