"""What the kernel makes of its sync daemon's settings (start_sync_thread, ip_vs_sync.c). Pure."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from lvs.router.state import SyncDaemon, SyncState

GROUP, PORT, TTL = IPv4Address("224.0.0.81"), 8848, 1  # where nothing was asked for
# Where pulse itself connects to (UDP, PORT) to push the last message out (lvs.router.parting).
PUSH_PLACE = IPv4Address("127.0.0.81")
FRAME = 1500  # bytes of an Ethernet frame, headers of IP and UDP included: what a message is made for
LONGEST_HEADERS = 48  # bytes of IPv6 and UDP
LARGEST = 65535  # bytes of a datagram, with those headers
SHORTEST_READ = 1024  # bytes that the taking half has room for at the least


def headers(daemon: SyncDaemon) -> int:
    """Bytes of IP and UDP headers in front of a message."""
    return LONGEST_HEADERS if daemon.group and daemon.group.version == 6 else 28


def started(daemon: SyncDaemon) -> SyncDaemon:
    """How a half runs that was started with these settings, on an interface with Ethernet's frames."""
    maxlen = daemon.maxlen or FRAME - headers(daemon)
    least = SHORTEST_READ if daemon.state is SyncState.BACKUP else 1
    return replace(
        daemon,
        maxlen=min(max(maxlen, least), LARGEST - headers(daemon)),
        group=daemon.group or GROUP,
        port=daemon.port or PORT,
        ttl=daemon.ttl or TTL,
    )


def agrees(actual: SyncDaemon, wanted: SyncDaemon) -> bool:
    """Whether a running half is the wanted one: what the kernel was to choose may be what it chose."""
    if actual == wanted:  # taken for what was asked for a moment ago (lvs.router.settled)
        return True
    expected = started(wanted)
    if wanted.state is SyncState.BACKUP and not wanted.maxlen:
        # It makes room for its interface's frames, which may be longer than Ethernet's usual ones.
        expected = replace(expected, maxlen=max(expected.maxlen, actual.maxlen))
    if not actual.port:  # Linux before 4.3 has no such settings, and does not tell
        expected = replace(expected, maxlen=0, group=None, port=0, ttl=0)
    return actual == expected
