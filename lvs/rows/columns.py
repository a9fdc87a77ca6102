"""Values of lvs.config.model as columns of a database row, and back.

A column has the name of its attribute. Enums and addresses are kept as text, tuples as JSON lists. A
FloatingAddress takes two columns: the attribute's for the address, and `device` (of `address`) or
`NAME_device` for the device; no address is None and "".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from enum import Enum, StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeVar, get_type_hints

from lvs.config.address import address_of
from lvs.config.model import (
    Address,
    CheckKind,
    Comments,
    DnsType,
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    HealthCheck,
    HttpMethod,
    PortRange,
    Protocol,
    RealServer,
    Redundancy,
    Scheduler,
    SchedulerFlag,
    Service,
    StatusRange,
    VirtualServer,
)

Columns = dict[str, Any]
Layout = tuple[tuple[str, str | None, Callable[[Any], Any] | None], ...]
T = TypeVar("T")


def choices(kind: type[StrEnum]) -> list[tuple[str, str]]:
    """An enum of the configuration as a column's choices."""
    return [(item.value, item.value) for item in kind]


def device_column(attribute: str) -> str:
    """Where the device of a floating address is kept."""
    return "device" if attribute == "address" else f"{attribute}_device"


def packed(value: Any) -> Any:
    """A value as a column (and JSON) takes it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, IPv4Address | IPv6Address):
        return str(value)
    if isinstance(value, PortRange) and value.protocol:
        return [value.first, value.last, value.protocol.value]
    if isinstance(value, PortRange | StatusRange):
        return [value.first, value.last]
    if isinstance(value, tuple):
        return [packed(item) for item in value]
    return value


def to_columns(value: Any, leave_out: tuple[str, ...] = ()) -> Columns:
    """The columns of a value; leave_out: attributes that are kept in rows of their own."""
    columns: Columns = {}
    for name, device, _unpack in LAYOUTS[type(value)]:
        if name in leave_out:
            continue
        attribute = getattr(value, name)
        if device is not None:
            columns[name] = str(attribute.address) if attribute else None
            columns[device] = attribute.device if attribute else ""
        else:
            columns[name] = packed(attribute)
    return columns


def _port_range(column: list[Any]) -> PortRange:
    """Of first, last, and a protocol where it is not the virtual server's."""
    first, last, *protocol = column
    return PortRange(first, last, *map(Protocol, protocol))


_UNPACK: dict[Any, Callable[[Any], Any]] = {
    Address | None: lambda text: address_of(text) if text else None,
    Service: Service,
    Forwarding: Forwarding,
    Forwarding | None: lambda text: Forwarding(text) if text else None,
    Protocol: Protocol,
    Scheduler: Scheduler,
    tuple[SchedulerFlag, ...]: lambda words: tuple(map(SchedulerFlag, words)),
    tuple[PortRange, ...]: lambda ranges: tuple(map(_port_range, ranges)),
    tuple[StatusRange, ...]: lambda pairs: tuple(StatusRange(*pair) for pair in pairs),
    CheckKind: CheckKind,
    HttpMethod: HttpMethod,
    DnsType: DnsType,
    tuple[str, ...]: tuple,
    Comments: lambda blocks: tuple((directive, tuple(lines)) for directive, lines in blocks),
}


def from_columns(kind: type[T], row: Any, **others: Any) -> T:
    """The value of type kind whose columns are attributes of row; others: what was left out."""
    attributes: Columns = {}
    for name, device, unpack in LAYOUTS[kind]:
        if name in others:
            continue
        column = getattr(row, name)
        if device is not None:
            address = address_of(column) if column else None
            attributes[name] = (
                FloatingAddress(address=address, device=getattr(row, device)) if address else None
            )
        else:
            attributes[name] = unpack(column) if unpack else column
    return kind(**attributes, **others)


def layout(kind: type[Any]) -> Layout:
    """For each attribute of a dataclass: its name, the column of its device, how its column is read."""
    hints = get_type_hints(kind)
    return tuple(
        (
            field.name,
            device_column(field.name) if hints[field.name] == FloatingAddress | None else None,
            _UNPACK.get(hints[field.name]),
        )
        for field in fields(kind)
    )


LAYOUTS: dict[type[Any], Layout] = {
    kind: layout(kind) for kind in (GlobalSettings, Redundancy, VirtualServer, HealthCheck, RealServer)
}
