"""The lines of /proc/net/ip_vs_conn: read, filtered, counted, and how far reading goes."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from lvs.errors import RouterError
from lvs.router.connections import CHUNK, Place, Tally, Wanted, parsed, read

HEAD = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"
TCP = "TCP C0A81A01 C350 C0A81A0A 0050 0A0B0C01 0050 ESTABLISHED     899\n"
OTHER = "TCP C0A81A02 C351 C0A81A0A 0050 0A0B0C02 1F90 SYN_RECV         59\n"
UDP = "UDP C0A81A01 0035 C0A81A0A 0035 0A0B0C01 0035 UDP             299\n"
PERSISTENT = "TCP C0A81A01 0000 C0A81A0A 0050 0A0B0C01 0050 NONE            120\n"
SIX = (
    "TCP 2001:0db8:0000:0000:0000:0000:0000:0001 C350 2001:0db8:0000:0000:0000:0000:0000:000a 01BB "
    "2001:0db8:0000:0000:0000:0000:0001:0001 01BB ESTABLISHED     899\n"
)
MIXED = "TCP C0A81A01 C350 C0A81A0A 0050 2001:0db8:0000:0000:0000:0000:0000:0009 0050 FIN_WAIT 9 sip 7@x\n"
TABLE = HEAD + TCP + OTHER + UDP + PERSISTENT + SIX + MIXED


def place(network: str, *ports: int, protocol: str = "") -> tuple[Place, ...]:
    return (Place.of(ip_network(network), *ports, protocol=protocol),)


def tallied(wanted: Wanted, limit: int = 100, text: str = TABLE) -> dict[str, object]:
    tally = Tally(wanted, limit)
    tally.take(text.splitlines())
    return tally.document(cut=False, seconds=0.0)


def test_lines_of_both_families_are_read() -> None:
    rows = [one.row() for line in (TCP, SIX, MIXED) if (one := parsed(line))]
    assert rows == [
        ["TCP", "192.168.26.1", 50000, "192.168.26.10", 80, "10.11.12.1", 80, "ESTABLISHED", 899],
        ["TCP", "2001:db8::1", 50000, "2001:db8::a", 443, "2001:db8::1:1", 443, "ESTABLISHED", 899],
        ["TCP", "192.168.26.1", 50000, "192.168.26.10", 80, "2001:db8::9", 80, "FIN_WAIT", 9],
    ]


@pytest.mark.parametrize("line", [HEAD, "", "TCP C0A81A01", TCP.replace("C350", "port"), "\x00" * 80])
def test_what_is_no_connection_is_passed_over(line: str) -> None:
    assert parsed(line) is None


@pytest.mark.parametrize(
    ("wanted", "matched"),
    [
        (Wanted(), 6),
        (Wanted(client=place("192.168.26.1/32")), 4),
        (Wanted(client=place("192.168.26.0/24")), 5),
        (Wanted(client=place("2001:db8::/32")), 1),
        (Wanted(client=place("0.0.0.0/0")), 5),
        (Wanted(virtual=place("192.168.26.10/32", 80, 80, protocol="TCP")), 4),
        (Wanted(virtual=()), 0),
        (Wanted(real=place("10.11.12.2/32", 8080, 8080)), 1),
        (Wanted(real=place("10.11.12.2/32", 80, 80)), 0),
        (Wanted(protocol="UDP"), 1),
        (Wanted(state="ESTABLISHED"), 2),
    ],
)
def test_a_filter_leaves_what_it_means(wanted: Wanted, matched: int) -> None:
    found = tallied(wanted)
    assert (found["matched"], found["looked_at"]) == (matched, 6)


def test_connections_by_which_pulse_pushed_out_its_last_message_are_nobodys() -> None:
    ours = "UDP 7F000001 E5A1 7F000051 2290 7F000051 2290 UDP             299\n"
    theirs = ours.replace("UDP ", "TCP ", 1) + ours.replace("7F000051 2290 7F", "7F000051 2291 7F")
    assert tallied(Wanted(), text=TABLE + ours) == tallied(Wanted())
    assert tallied(Wanted(), text=TABLE + ours + theirs)["matched"] == 8


def test_what_is_open_is_counted_by_state_real_server_and_client_without_entries_of_persistence() -> None:
    found = tallied(Wanted(client=place("192.168.26.0/24")))
    assert found["states"] == {"ESTABLISHED": 1, "SYN_RECV": 1, "UDP": 1, "FIN_WAIT": 1}
    assert ["10.11.12.1", 80, 1] in found["real_servers"]
    assert found["clients"] == [["192.168.26.1", 3], ["192.168.26.2", 1]]
    assert found["persistence"] == 1


def test_beyond_the_limit_connections_are_counted_and_not_told() -> None:
    found = tallied(Wanted(), limit=2)
    assert (len(found["connections"]), found["matched"]) == (2, 6)  # type: ignore[arg-type]


def test_without_rows_no_client_is_told() -> None:
    found = tallied(Wanted(), limit=0)
    assert (found["connections"], found["clients"]) == ([], [])
    assert "192.168.26.1" not in str(found)


def test_a_table_longer_than_one_reading_is_read_to_its_end(tmp_path: Path) -> None:
    count = 3 * CHUNK // len(TCP)
    path = tmp_path / "ip_vs_conn"
    path.write_text(HEAD + TCP * count)
    found = read(Wanted(), 10, 600, str(path))
    assert (found["matched"], found["cut"]) == (count, False)


def test_reading_ends_when_its_time_is_over_and_says_how_far_it_came(tmp_path: Path) -> None:
    path = tmp_path / "ip_vs_conn"
    path.write_text(HEAD + TCP * (3 * CHUNK // len(TCP)))
    found = read(Wanted(), 10, -1, str(path))
    assert found["cut"] is True
    assert 0 < found["looked_at"] <= CHUNK // len(TCP)


def test_a_kernel_without_ipvs_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(RouterError, match="this kernel has no IPVS"):
        read(Wanted(), 10, 1, str(tmp_path / "ip_vs_conn"))
