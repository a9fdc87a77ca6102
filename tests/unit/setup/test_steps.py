"""Which services a set-up starts, restarts, or leaves alone; and our own Redis' configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from piranha_web.setup import low_port, own_redis
from piranha_web.setup.answers import Answers, Kind
from piranha_web.setup.place import NotSetUp, Place
from piranha_web.setup.questions import Password, Present
from piranha_web.setup.steps import Manager, services


@dataclass(frozen=True)
class Systemd:
    """One in which these units run, and will after a boot."""

    running: tuple[str, ...] = ()
    has_services: bool = True

    def says(self, _verb: str, unit: str) -> bool:
        return unit in self.running


def commands(
    systemd: Systemd, kind: Kind, *, own: bool = True, changed: bool = False, reload: bool = False
) -> list[str]:
    place: Any = systemd
    found = services(place, kind, has_own_redis=own, changed=changed, reload=reload, says=systemd.says)
    return [" ".join(one) for one in found]


ALL = ("piranha-redis", "piranha-web", "piranha-manager", "pulse", "piranha-worker")


def test_what_does_not_run_is_started_and_enabled() -> None:
    assert commands(Systemd(), Kind.SINGLE) == [f"systemctl enable --now {' '.join(ALL)}"]
    assert commands(Systemd(), Kind.MANAGER, own=False) == [
        "systemctl enable --now piranha-web piranha-manager"
    ]
    assert commands(Systemd(running=("pulse",)), Kind.ROUTER) == ["systemctl enable --now piranha-worker"]


def test_where_all_runs_nothing_is_done() -> None:
    assert commands(Systemd(running=ALL), Kind.SINGLE) == []


def test_other_settings_restart_the_site_and_never_pulse() -> None:
    assert commands(Systemd(running=ALL), Kind.SINGLE, changed=True) == [
        "systemctl restart piranha-redis piranha-web piranha-manager"
    ]


def test_a_changed_unit_is_read_before_anything_is_started_anew() -> None:
    found = commands(Systemd(running=ALL[1:]), Kind.MANAGER, changed=True, reload=True)
    assert found == [
        "systemctl daemon-reload",
        "systemctl restart piranha-web piranha-manager",
        "systemctl enable --now piranha-redis",
    ]


def test_one_that_fails_to_start_again_and_again_is_restarted_with_the_new_settings() -> None:
    place: Any = Systemd()

    def says(verb: str, unit: str) -> bool:
        return verb == "is-enabled" or unit != "piranha-web"

    found = services(place, Kind.MANAGER, has_own_redis=False, changed=True, says=says)
    assert found == [["systemctl", "restart", "piranha-web", "piranha-manager"]]
    found = services(place, Kind.MANAGER, has_own_redis=False, changed=False, says=says)
    assert found == [["systemctl", "enable", "--now", "piranha-web"]]


def test_one_that_was_started_by_hand_gets_the_new_settings_and_comes_back_after_a_boot() -> None:
    place: Any = Systemd()
    by_hand = services(
        place, Kind.MANAGER, has_own_redis=False, changed=True, says=lambda verb, _unit: verb == "is-active"
    )
    assert by_hand == [
        ["systemctl", "restart", "piranha-web", "piranha-manager"],
        ["systemctl", "enable", "--now", "piranha-web", "piranha-manager"],
    ]


def port_steps(place: Place, port: int, *binds: str) -> list[str]:
    """What is done for that port, and that nothing is left to do then."""
    present = Present(settings={}, state={"routers": []})

    def manager() -> Manager:
        answers = Answers(kind=Kind.MANAGER, cluster="", routers=(), binds=binds or ("::",), port=port)
        return Manager(place, present, answers, None, Password())

    found = list(manager().right_of_port())
    for one in found:
        assert one.do() == ""
    assert list(manager().right_of_port()) == []
    return [one.what.partition(":")[2].strip() for one in found]


def test_a_port_below_1024_gives_the_service_the_right_to_it_and_another_one_takes_it_away(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    path = tmp_path / low_port.DROP_IN.relative_to("/")

    assert port_steps(place, 3636) == []
    assert port_steps(place, 443) == ["piranha-web may listen at port 443"]
    assert path.stat().st_mode & 0o777 == 0o644
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" in path.read_text()
    path.write_text("[Service]\n")
    assert port_steps(place, 80) == ["piranha-web may listen at port 80"]
    assert port_steps(place, 1024) == ["port 1024 takes no right of its own"]
    assert not path.exists()
    assert port_steps(place, 443, "unix:/run/piranha-web/web.sock") == []
    assert port_steps(place, 443, "unix:/run/piranha-web/web.sock", "127.0.0.1") != []


def test_without_systemd_the_command_is_said() -> None:
    assert commands(Systemd(has_services=False), Kind.ROUTER) == [
        "systemctl enable --now pulse piranha-worker"
    ]


def test_redis_of_a_single_machine_listens_on_loopback_and_for_routers_elsewhere_by_tls_alone() -> None:
    single = own_redis.configuration(Path("/x"), Kind.SINGLE, 6390).splitlines()
    manager = own_redis.configuration(Path("/x"), Kind.MANAGER, 6380).splitlines()

    assert {"bind 127.0.0.1", "port 6390", "maxmemory-policy noeviction"} <= set(single)
    assert {"port 0", "tls-port 6380", 'tls-key-file "/x/redis.key"'} <= set(manager)
    assert own_redis.port_in("\n".join(single)) == 6390
    assert own_redis.port_in("\n".join(manager)) == 6380


def test_our_own_redis_keeps_its_password_and_its_routers() -> None:
    answers = Answers(kind=Kind.SINGLE, cluster="c", routers=("r1",), binds=("127.0.0.1",), port=1)
    text = own_redis.configuration(Path("/x"), Kind.SINGLE, 6390)
    first = own_redis.wanted_url(answers, "", "")

    assert own_redis.wanted_url(answers, first, text) == first
    assert own_redis.wanted_url(answers, "redis://:x@10.0.0.1:6390/0", text) != first
    users = own_redis.users("user default on nopass ~* +@all\nuser router.r1 on #ab -@all\n", "secret")
    assert users.splitlines()[1] == "user router.r1 on #ab -@all"
    assert "nopass" not in users
    assert "secret" not in users


def test_root_writes_no_secret_behind_a_link(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.var.mkdir(parents=True)
    (place.var / "redis").symlink_to(tmp_path)

    with pytest.raises(NotSetUp, match="behind a link"):
        place.write(place.var / "redis" / "redis.conf", "x")


def test_who_sets_up_a_manager_reads_that_redis_listens_everywhere() -> None:
    def said(kind: Kind) -> str:
        return own_redis.reached_at(Answers(kind=kind, cluster="", routers=(), binds=("0.0.0.0",), port=3636))

    assert "port 6380 at every address of this machine" in said(Kind.MANAGER)
    assert "firewall" in said(Kind.MANAGER)
    assert said(Kind.SINGLE) == "port 6390 of this machine alone"
