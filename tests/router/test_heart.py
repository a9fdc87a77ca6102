"""Hearts as processes on real interfaces of this kernel: who owns the floating address, how long nobody."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvs.pulse.heart.messages import SOCKET, VERSION, Message, decode, encode
from lvs.router.announce import announce
from lvs.router.state import InterfaceAddress
from tests.conftest import eventually
from tests.router.conftest import Namespace
from tests.router.heart_pair import (
    DEADTIME,
    FLOATING,
    KEY,
    NEXT_KEY,
    PORT,
    ROOT,
    Owners,
    Router,
    pair,
    settled,
)

pytestmark = pytest.mark.root

FLOODED = 2.0  # seconds


@pytest.fixture
def routers(namespaces: Callable[[], Namespace]) -> Iterator[tuple[Router, Router]]:
    with tempfile.TemporaryDirectory() as folder, pair(namespaces, Path(folder)) as made:
        yield made


def test_a_router_that_is_killed_with_its_addresses_is_replaced_within_the_dead_time(
    routers: tuple[Router, Router],
) -> None:
    primary, _ = routers
    primary.kill()
    primary.put_address(up=False)  # the machine is gone, not only its processes
    seconds = Owners(*routers).until(("backup",))
    print(f"kill -9 of everything: {seconds:.3f} s at a dead time of {DEADTIME} s")
    assert seconds < DEADTIME + 0.5


def test_a_router_whose_processes_are_killed_keeps_its_addresses_until_its_machine_is_gone(
    routers: tuple[Router, Router],
) -> None:
    primary, backup = routers
    owners = Owners(*routers)
    primary.kill()
    owners.stay(("primary",), 4 * DEADTIME)
    assert backup.status["peer_holds"]
    assert backup.status["alarms"]
    primary.namespace.run("ip", "link", "set", "eth0", "down")
    eventually(lambda: backup.owns, "the backup has taken over", 3)


def test_a_pulse_that_does_not_come_back_is_fenced_and_starts_again_as_standby(
    routers: tuple[Router, Router],
) -> None:
    primary, backup = routers
    primary.pulse.kill()
    seconds = Owners(*routers).until(("backup",))
    print(f"kill -9 of pulse alone: {seconds:.3f} s at a dead time of {DEADTIME} s")
    assert seconds < DEADTIME + 0.5
    assert not primary.owns
    assert "pulse does not run" in primary.log
    primary.start_pulse()
    eventually(lambda: settled(backup, primary) and primary.status["fit"], "the primary is a fit standby", 5)
    assert (primary.owns, backup.owns) == (False, True)


def test_a_pulse_that_is_back_in_time_keeps_its_role(routers: tuple[Router, Router]) -> None:
    primary, _ = routers
    for router in routers:
        router.pulse.say(router.settings(deadtime=2))
    primary.pulse.kill()
    owners = Owners(*routers)
    primary.start_pulse(deadtime=2)
    owners.stay(("primary",), 2.2)
    assert primary.pulse.said("hello")[0]["role"] == "active"


def test_the_heartbeat_cut_alone_in_both_ways_or_in_one_moves_nothing_for_long(
    routers: tuple[Router, Router],
) -> None:
    primary, backup = routers
    owners = Owners(*routers)
    primary.deafen()
    backup.deafen()
    owners.stay(("primary",), 3 * DEADTIME)
    backup.cure()  # now the backup hears the primary, which does not hear it
    owners.stay(("primary",), 2 * DEADTIME)
    eventually(lambda: backup.status["peer"]["alive"], "the backup hears", 3)
    assert not backup.status["peer"]["hears"]
    primary.cure()
    eventually(lambda: settled(primary, backup), "both hear each other", 3)
    assert owners.look() == ("primary",)


def test_handing_over_leaves_no_moment_without_an_owner(routers: tuple[Router, Router]) -> None:
    primary, backup = routers
    owners = Owners(*routers)
    primary.pulse.say({"say": "order", "id": 1, "order": "hand over"})
    seconds = owners.until(("backup",))
    assert all(who for _, who in owners.seen)
    print(f"hand-over: {seconds:.3f} s")
    eventually(lambda: bool(primary.pulse.said("answer")), "the order is answered", 3)
    assert primary.pulse.said("answer")[0]["ok"]
    (told,) = [one for one in backup.pulse.said("role") if one["role"] == "active"]
    assert told["soft"]


def test_keys_rotate_and_a_router_with_another_key_is_foreign(routers: tuple[Router, Router]) -> None:
    primary, backup = routers
    for keys in ([NEXT_KEY, KEY], [NEXT_KEY]):
        for router in (backup, primary):
            router.pulse.say(router.settings(keys=keys))
            eventually(lambda: settled(*routers), "both hear each other", 3)
        eventually(
            lambda: all(one.status["keys"]["peer_has_newest"] for one in routers), "both have the key", 3
        )
    for router in routers:
        assert router.status["refused"]["foreign"] == router.status["refused"]["forged"] == 0
        assert [link["lost"] for link in router.status["links"]] == [0, 0]
    backup.pulse.say(backup.settings(keys=[KEY]))
    eventually(lambda: primary.status["refused"]["foreign"] > 5, "the old key is foreign", 3)
    assert Owners(*routers).look() == ("primary",)


def test_the_administrators_hand_is_told_over_either_link(routers: tuple[Router, Router]) -> None:
    primary, backup = routers
    entry = {"virtual_server": "web", "real_server": "s1", "order": "drain", "at": 1.0, "by": "anna"}
    primary.pulse.say({"say": "gossip", "entries": [entry | {"reason": "x" * 200, "until": None}]})
    eventually(lambda: len(backup.pulse.said("gossip")) >= 2, "it came over both links", 5)
    assert backup.pulse.said("gossip")[0]["entries"][0]["real_server"] == "s1"
    assert not primary.pulse.said("gossip")
    refused = backup.pulse.status["refused"]
    assert not refused["malformed"] + refused["forged"] + refused["foreign"]


def test_a_flood_of_hostile_datagrams_changes_nothing_but_the_counters(
    routers: tuple[Router, Router],
) -> None:
    primary, backup = routers
    assert backup.namespace.call(flood, "10.77.0.2", "10.77.0.1", 20_000) == 20_000
    eventually(lambda: primary.status["refused"]["malformed"] > 500, "what it reads is counted", 5)
    assert [one["role"] for one in backup.status["transitions"]] == ["standby"]
    assert settled(primary, backup)
    told = [one for one in primary.pulse.said("event") if "refused a heartbeat" in one["text"]]
    assert primary.log.count("refused a heartbeat") + len(told) < 5


def test_a_flood_leaves_half_of_a_processor_to_others_and_moves_nothing(
    routers: tuple[Router, Router],
) -> None:
    primary, backup = routers
    busy, begun = worked(primary.heart.pid), time.monotonic()
    while (passed := time.monotonic() - begun) < FLOODED:
        backup.namespace.call(flood, "10.77.0.2", "10.77.0.1", 20_000)
    assert worked(primary.heart.pid) - busy < passed / 2
    eventually(lambda: settled(primary, backup), "both are well", 5)
    assert [one["role"] for one in primary.status["transitions"]] == ["standby", "active"]
    assert [one["role"] for one in backup.status["transitions"]] == ["standby"]


def worked(pid: int) -> float:
    """The seconds of a processor that a process has had (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def flood(source: str, target: str, count: int) -> int:
    """Sends random datagrams from the peer's own address; how many."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        for number in range(count):
            sender.sendto(os.urandom(number % 200), (target, PORT))
    return count


def test_a_link_whose_address_is_missing_is_an_alarm_and_works_as_soon_as_it_is_there(
    routers: tuple[Router, Router],
) -> None:
    _, backup = routers
    backup.put_own("private", "eth1", up=False)
    eventually(lambda: any("address fd77::2" in one for one in backup.status["alarms"]), "an alarm", 5)
    backup.put_own("private", "eth1", up=True)
    eventually(lambda: all(link["alive"] for link in backup.status["links"]), "the link is back", 5)
    eventually(lambda: not any("address fd77::2" in one for one in backup.status["alarms"]), "no alarm", 5)
    assert Owners(*routers).look() == ("primary",)


def test_a_standby_that_starts_without_any_of_its_own_addresses_takes_nothing_over(
    routers: tuple[Router, Router],
) -> None:
    _, backup = routers
    owners = Owners(*routers)
    backup.kill()
    for name, interface in (("public", "eth0"), ("private", "eth1")):
        backup.put_own(name, interface, up=False)
    backup.namespace.run("ip", "neighbor", "flush", "all")
    backup.start_heart()
    backup.start_pulse()
    owners.stay(("primary",), 5 * DEADTIME)
    assert any("could not hear" in reason for reason in backup.status["unfit"])
    backup.put_own("public", "eth0", up=True)
    eventually(lambda: settled(*routers), "both hear each other", 5)
    assert owners.look() == ("primary",)


def test_a_heart_that_was_stopped_for_a_while_takes_nothing_over_and_loses_nothing(
    routers: tuple[Router, Router],
) -> None:
    owners = Owners(*routers)
    for router in reversed(routers):
        os.kill(router.heart.pid, signal.SIGSTOP)
        owners.stay(("primary",), 2 * DEADTIME)
        os.kill(router.heart.pid, signal.SIGCONT)
        eventually(lambda: settled(*routers), "both hear each other", 3)
    owners.stay(("primary",), DEADTIME)
    assert [len(router.status["transitions"]) for router in routers][1] == 1


def test_a_third_machine_at_the_floating_address_is_told(
    routers: tuple[Router, Router], namespaces: Callable[[], Namespace]
) -> None:
    primary, backup = routers
    stranger = namespaces()
    primary.namespace.run("ip", "link", "add", "mv0", "link", "eth1", "type", "macvlan", "mode", "bridge")
    primary.namespace.run("ip", "link", "set", "mv0", "netns", stranger.name, "up")
    stranger.call(announce, [InterfaceAddress(ip_address(FLOATING), 24, "mv0")])
    eventually(lambda: bool(backup.status["strangers"]), "the backup has seen it", 5)
    assert backup.status["strangers"][0]["address"] == FLOATING
    assert any("neither router" in one["text"] for one in backup.pulse.said("event"))
    assert Owners(*routers).look() == ("primary",)


# The process


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts hearts of one state folder, without a network."""
    made: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "lvs.pulse.heart", "--state", str(tmp_path)]
        made.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE))
        return made[-1]

    yield start
    for one in made:
        if one.poll() is None:
            one.kill()
        one.communicate(timeout=10)


def connected(folder: Path) -> socket.socket | None:
    one = socket.socket(socket.AF_UNIX)
    if one.connect_ex(str(folder / SOCKET)):
        one.close()
        return None
    one.settimeout(10)
    return one


def greeted(folder: Path) -> Message:
    """The hello of a heart that is starting, or has started."""
    found: list[socket.socket] = []

    def there() -> bool:
        one = connected(folder)
        found.extend([one] if one else [])
        return bool(found)

    eventually(there, "the heart listens", 10)
    with found[0] as one, one.makefile("rb") as lines:
        return decode(lines.readline())


def test_a_heart_says_who_it_is_ignores_what_ends_a_group_and_leaves_when_told(
    alone: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    heart = alone()
    hello = greeted(tmp_path)
    assert (hello["version"], hello["pid"], hello["role"]) == (VERSION, heart.pid, None)
    assert os.getsid(heart.pid) == heart.pid
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        os.kill(heart.pid, number)
    assert greeted(tmp_path)["pid"] == heart.pid
    one = connected(tmp_path)
    assert one is not None
    with one:
        one.sendall(encode({"say": "leave"}))
        assert heart.wait(timeout=10) == 0


def test_a_second_heart_in_the_same_folder_ends_and_leaves_the_first_alone(
    alone: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    first = alone()
    greeted(tmp_path)
    second = alone()
    assert second.wait(timeout=10) == 1
    assert greeted(tmp_path)["pid"] == first.pid


def test_a_killed_heart_leaves_nothing_that_keeps_the_next_one_from_starting(
    alone: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    first = alone()
    greeted(tmp_path)
    first.kill()
    first.wait(timeout=10)
    second = alone()
    eventually(lambda: connected_to(tmp_path) == second.pid, "the second one answers", 10)


def connected_to(folder: Path) -> int | None:
    one = connected(folder)
    if one is None:
        return None
    with one, one.makefile("rb") as lines:
        return int(decode(lines.readline())["pid"])


def test_a_heart_without_rights_goes_on_without_what_they_are_for(tmp_path: Path) -> None:
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    command = [*powerless, sys.executable, "-m", "lvs.pulse.heart", "--state", str(tmp_path)]
    heart = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    try:
        assert greeted(tmp_path)["pid"] == heart.pid
    finally:
        heart.terminate()
        _, said = heart.communicate(timeout=10)
    assert heart.returncode == 0
    assert b"goes on without: no real-time priority" in said
    assert b"cannot watch the network: watch the neighbours: permission denied" in said


def test_sigterm_ends_a_heart(alone: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    heart = alone()
    greeted(tmp_path)
    heart.terminate()
    assert heart.wait(timeout=10) == 0


def test_what_is_no_message_ends_the_connection_and_nothing_else(
    alone: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    heart = alone()
    greeted(tmp_path)
    for garbage in (b"\xff\x00\n", b"[]\n", b"{}\n"):
        one = connected(tmp_path)
        assert one is not None
        with one, one.makefile("rb") as lines:
            one.sendall(garbage)
            assert lines.readline()
            assert lines.readline() == b""
    assert greeted(tmp_path)["pid"] == heart.pid


def test_a_heart_is_small_and_has_no_third_party(
    alone: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    heart = alone()
    greeted(tmp_path)
    status = Path(f"/proc/{heart.pid}/status").read_text()
    (resident,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    print(f"a heart: {resident} kB")
    assert resident < 40_000
    maps = Path(f"/proc/{heart.pid}/maps").read_text()
    assert "re2" not in maps
    code = "import sys, lvs.pulse.heart.__main__; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"asyncio", "logging", "argparse", "re2", "lvs.config.model", "lvs.router.state"} & set(
        shown.stdout.split()
    )
