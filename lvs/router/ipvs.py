"""The kernel's IPVS table, over generic netlink: read whole, changed in batches, refusals explained.

The messages themselves are in `lvs.router.ipvs_messages`. Changes need CAP_NET_ADMIN, and so does
reading.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from lvs.errors import KernelError
from lvs.router import ipvs_messages as messages
from lvs.router import sync
from lvs.router.genetlink import GenericNetlink, Request
from lvs.router.state import (
    Change,
    Counters,
    Destination,
    DestinationKey,
    Part,
    Service,
    ServiceKey,
    SyncDaemon,
    Timeouts,
)

NO_KERNEL_SUPPORT = (
    "this kernel has no IPVS: load it with 'modprobe ip_vs' (Debian: package linux-image-amd64)"
)
GONE_SERVICE = "its service is not in the kernel's table: another program just removed it"
NOT_PERMITTED = (
    "not permitted: pulse needs the capability CAP_NET_ADMIN (run it as root or by its systemd unit)"
)


@dataclass(frozen=True, slots=True)
class Table:
    """The IPVS table at one moment; the counters only when they were asked for."""

    services: Mapping[ServiceKey, Service] = field(default_factory=dict)
    destinations: Mapping[ServiceKey, Mapping[DestinationKey, Destination]] = field(default_factory=dict)
    service_counters: Mapping[ServiceKey, Counters] = field(default_factory=dict)
    destination_counters: Mapping[ServiceKey, Mapping[DestinationKey, Counters]] = field(default_factory=dict)

    def destination(self, service: ServiceKey, key: DestinationKey) -> Destination | None:
        """The real server at this place; None: there is none."""
        return self.destinations.get(service, {}).get(key)

    def counted(self, service: ServiceKey, key: DestinationKey) -> Counters | None:
        """Its counters; None where they were not asked for, or nobody is there."""
        return self.destination_counters.get(service, {}).get(key)


class Ipvs:
    """A connection to the kernel's IPVS; a context manager, not for several threads at once.

    Raises KernelError when there is no IPVS, or a table cannot be read.
    """

    def __init__(self) -> None:
        try:
            self._netlink = GenericNetlink("IPVS", 1)
        except FileNotFoundError as error:
            raise KernelError("open IPVS", NO_KERNEL_SUPPORT) from error
        except OSError as error:
            raise KernelError("open IPVS", f"{error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._netlink.close()

    def table(self, *, counters: bool = False, only: Collection[ServiceKey] | None = None) -> Table:
        """The whole table, or all its services and the real servers of those in only.

        Services of protocols that this project does not know are left out.
        """
        try:
            return self._counted_table() if counters else self._table(only)
        except OSError as error:
            raise KernelError("read the IPVS table", _reason(error.errno or 0)) from error
        except LookupError as error:
            raise KernelError("read the IPVS table", f"{error}: run Linux 3.18 or newer") from error

    def services(self, keys: Collection[ServiceKey], *, counters: bool = False) -> Table:
        """These services as far as they exist, and their real servers; counters: with those of both."""
        services: dict[ServiceKey, Service] = {}
        destinations: dict[ServiceKey, Mapping[DestinationKey, Destination]] = {}
        counted: dict[ServiceKey, Mapping[DestinationKey, Counters]] = {}
        own: dict[ServiceKey, Counters] = {}
        try:
            for key in keys:
                named = messages.service_attribute(key)
                found = self._one(named)
                if found is None:
                    continue
                services[key], own[key] = found
                if counters:
                    of = self._netlink.dump(messages.GET_DEST, named, messages.counted_destination)
                    destinations[key] = {each: destination for each, destination, _ in of}
                    counted[key] = {each: now for each, _, now in of}
                else:
                    destinations[key] = dict(
                        self._netlink.dump(messages.GET_DEST, named, messages.destination)
                    )
        except OSError as error:
            raise KernelError("read the IPVS table", _reason(error.errno or 0)) from error
        return Table(services, destinations, own if counters else {}, counted)

    def service_counters(self) -> dict[ServiceKey, Counters]:
        """What was counted for each service; nothing of the real servers is read."""
        try:
            found = filter(None, self._netlink.dump(messages.GET_SERVICE, b"", messages.counted_service))
            return {key: counters for key, _, counters in found}
        except OSError as error:
            raise KernelError("read the IPVS table", _reason(error.errno or 0)) from error

    def _one(self, named: bytes) -> tuple[Service, Counters] | None:
        try:
            found = self._netlink.get(messages.GET_SERVICE, named, messages.counted_service)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise
            found = None
        return found and found[1:]

    def _table(self, only: Collection[ServiceKey] | None) -> Table:
        services = dict(filter(None, self._netlink.dump(messages.GET_SERVICE, b"", messages.service)))
        destinations = {
            key: dict(
                self._netlink.dump(messages.GET_DEST, messages.service_attribute(key), messages.destination)
            )
            for key in services
            if only is None or key in only
        }
        return Table(services, destinations)

    def _counted_table(self) -> Table:
        found = list(filter(None, self._netlink.dump(messages.GET_SERVICE, b"", messages.counted_service)))
        members = {
            key: self._netlink.dump(
                messages.GET_DEST, messages.service_attribute(key), messages.counted_destination
            )
            for key, _, _ in found
        }
        return Table(
            services={key: service for key, service, _ in found},
            destinations={
                key: {each: destination for each, destination, _ in of} for key, of in members.items()
            },
            service_counters={key: counters for key, _, counters in found},
            destination_counters={
                key: {each: counters for each, _, counters in of} for key, of in members.items()
            },
        )

    def carry_out(self, changes: Sequence[Change]) -> dict[int, str]:
        """Make changes of services and destinations, in order; position and reason of each refused one."""
        try:
            refused = self._netlink.send(messages.requests(changes))
        except OSError as error:
            raise KernelError("write the IPVS table", _reason(error.errno or 0)) from error
        return {position: refusal(changes[position], code) for position, code in refused.items()}

    def timeouts(self) -> Timeouts:
        """Seconds that idle connections are kept."""
        try:
            return self._netlink.get(messages.GET_CONFIG, b"", messages.timeouts)
        except OSError as error:
            raise KernelError("read the IPVS timeouts", _reason(error.errno or 0)) from error

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """Set those that are not 0."""
        try:
            refused = self._netlink.send([(messages.SET_CONFIG, messages.timeouts_attributes(timeouts))])
        except OSError as error:
            raise KernelError("set the IPVS timeouts", _reason(error.errno or 0)) from error
        if refused:
            raise KernelError("set the IPVS timeouts", _reason(refused[0]))

    def sync(self) -> frozenset[SyncDaemon]:
        """The halves of the sync daemon that run."""
        try:
            return frozenset(self._netlink.dump(messages.GET_DAEMON, b"", messages.sync_daemon))
        except OSError as error:
            raise KernelError("read the sync daemon", _reason(error.errno or 0)) from error

    def start_sync(self, daemon: SyncDaemon) -> None:
        """Start one half, which must not run yet."""
        request = (messages.NEW_DAEMON, messages.sync_daemon_attributes(daemon))
        self._sync_requests([request], f"start the sync daemon's half {daemon.state}", daemon)

    def stop_sync(self, daemon: SyncDaemon) -> None:
        """Stop one half; fine if it does not run. What it had not sent yet is lost (stop_sync_thread)."""
        # Asked twice, as the first may go unanswered: a thread that had not come to run yet ends with EINTR
        # (kthread_stop, kernel/kthread.c), of which netlink_rcv_skb (net/netlink/af_netlink.c) says nothing.
        request = (messages.DEL_DAEMON, messages.sync_state_attributes(daemon.state))
        change = f"stop the sync daemon's half {daemon.state}"
        self._sync_requests([request, request], change, daemon, fine=errno.ESRCH)

    def _sync_requests(
        self, requests: Sequence[Request], change: str, daemon: SyncDaemon, *, fine: int = 0
    ) -> None:
        try:
            refused = self._netlink.send(requests).values()
        except OSError as error:
            raise KernelError(change, _reason(error.errno or 0)) from error
        for code in refused:
            if code != fine:
                raise KernelError(change, sync_refusal(daemon, code))

    def info(self) -> messages.Info:
        try:
            return self._netlink.get(messages.GET_INFO, b"", messages.info)
        except OSError as error:
            raise KernelError("read the IPVS version", _reason(error.errno or 0)) from error


# ---- the kernel's refusals


def refusal(change: Change, code: int) -> str:
    """Why the kernel refused change with this error number, and what to do next."""
    texts = {
        (
            Part.SERVICE,
            errno.EEXIST,
        ): "the service is in the kernel's table already: another program just added it",
        (Part.SERVICE, errno.ESRCH): GONE_SERVICE,
        (Part.SERVICE, errno.EINVAL): "the kernel takes no such setting: look at persistence and its netmask",
        (Part.SERVICE, errno.EAFNOSUPPORT): "this kernel's IPVS was built without IPv6",
        (
            Part.DESTINATION,
            errno.EEXIST,
        ): "the real server is in the table already: another program just added it",
        (
            Part.DESTINATION,
            errno.ENOENT,
        ): "the real server is not in the table: another program just removed it",
        (Part.DESTINATION, errno.ESRCH): GONE_SERVICE,
        (
            Part.DESTINATION,
            errno.EINVAL,
        ): "no packet can be sent there: the address must be one machine's own, and of "
        "the virtual server's family unless the forwarding method is tunnel",
        (Part.DESTINATION, errno.ERANGE): "a weight below 0, or a lower threshold above the upper one",
    }
    if change.part is Part.SERVICE and code == errno.ENOENT and change.service is not None:
        name = change.service.scheduler
        return f"the kernel has no scheduler {name}: load it with 'modprobe ip_vs_{name}', or choose another"
    return texts.get((change.part, code)) or _reason(code)


def sync_refusal(daemon: SyncDaemon, code: int) -> str:
    """Why the kernel would not start this half (start_sync_thread, net/netfilter/ipvs/ip_vs_sync.c)."""
    interface, group = daemon.interface, daemon.group or sync.GROUP
    texts = {
        errno.EEXIST: f"a sync daemon ({daemon.state}) runs already: another program just started it",
        errno.ENODEV: f"this machine has no interface {interface}: set syncd_iface to the private link's",
        errno.ENETUNREACH: f"no way to {group} by {interface}: bring it up (ip link set {interface} up)",
        errno.EADDRNOTAVAIL: f"{interface} has no address to send from: give it one (ip address add)",
        errno.EADDRINUSE: f"port {daemon.port or sync.PORT} is taken: choose another syncd_port",
        errno.EINVAL: (
            f"the kernel takes no such setting: syncd_group ({group}) must be a multicast address, and no "
            "tunnel may lead to a real server of another family while connections are copied"
        ),
    }
    return texts.get(code) or _reason(code)


def _reason(code: int) -> str:
    if code in (errno.EPERM, errno.EACCES):
        return NOT_PERMITTED
    return f"{os.strerror(code)} (error {code})"
