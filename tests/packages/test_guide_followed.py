"""The guide's commands for installed machines, carried out as they stand on its pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab.namespaces import batch
from tests.packages import debs, guide_scenes
from tests.packages.follow import Follower
from tests.packages.guide_scenes import Typist
from tests.packages.machine import Machine, machines

pytestmark = pytest.mark.root

SWITCH = "piranha-guide"
ADDRESSES = {"manager": "192.0.2.1", "new": "192.0.2.1", "r1": "192.0.2.11", "r2": "192.0.2.12"}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose /exchange has the packages of this tree."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / "exchange/debs").mkdir(parents=True)
    for path in debs.built():
        shutil.copy(path, folder / "exchange/debs")
    return folder


@pytest.fixture
def switch() -> Iterator[None]:
    """A bridge in a namespace of its own."""
    batch([f"netns add {SWITCH}"])
    batch(["link add br0 type bridge", "link set br0 up"], SWITCH)
    yield
    batch([f"netns delete {SWITCH}"])


@pytest.fixture
def made(exchange: Path, switch: None) -> Iterator[dict[str, Machine]]:
    """The machines, plugged in and not booted."""
    with machines(exchange, *ADDRESSES) as made:
        for name, machine in made.items():
            machine.join(SWITCH, "br0", "eth0", f"{ADDRESSES[name]}/24")
        yield made


def boot(made: dict[str, Machine], *names: str) -> None:
    for name in names:
        made[name].start()
        made[name].done("sh", "-c", "echo 192.0.2.1 manager.example.org >>/etc/hosts")


def test_a_machine_is_installed_set_up_kept_and_cleared_as_the_guide_says(made: dict[str, Machine]) -> None:
    boot(made, "r1")
    reader = Follower({"r1": Typist(made["r1"])})
    reader.follow(guide_scenes.BEGIN)
    reader.follow(guide_scenes.CONSOLE)
    reader.follow(guide_scenes.KEPT)
    reader.follow(guide_scenes.REDIS)
    reader.follow(guide_scenes.REMOVED)


def test_a_manager_gets_its_routers_and_another_one_takes_its_place_as_the_guide_says(
    made: dict[str, Machine],
) -> None:
    boot(made, "manager", "r1", "r2")
    reader = Follower({name: Typist(machine) for name, machine in made.items()})
    reader.follow(guide_scenes.MANAGER)
    made["manager"].crash()
    boot(made, "new")
    reader.follow(guide_scenes.NEW_MANAGER)
