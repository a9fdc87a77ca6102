"""Tasks that the manager did not sign, or not for this router, or not for now, as an attacker sends them."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from lvs import dispatch, store
from lvs.machines import serials, signing, worker_file
from lvs.machines.refusals import Kind
from lvs.machines.serials import WINDOW
from tests.conftest import RedisServer, eventually
from tests.unit.pulse.world import lvs_cf
from tests.workers.attacker import Attack
from tests.workers.conftest import PIRANHA, RouterProcesses

DAY = 86_400 * 10**9  # nanoseconds


@pytest.fixture(scope="module")
def kept(_redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    """One router for all attacks: none of them may end it."""
    folder = tmp_path_factory.mktemp("attack")
    router = RouterProcesses("r1", "primary", folder / "r1", _redis_server.url)
    router.start_pulse()
    router.client.install(lvs_cf(3))
    made = Attack(router, folder)
    yield made
    router.stop_all()


@pytest.fixture
def attack(kept: Attack, redis_server: RedisServer) -> Attack:
    """The router, with a worker that works and has refused nothing yet."""
    if "worker" not in kept.router.processes:
        kept.router.start_worker()
    assert kept.is_harmless()
    return kept


def test_a_signature_of_somebody_else_counts_for_nothing(attack: Attack) -> None:
    strange = [Ed25519PrivateKey.generate() for _ in range(17)]
    numbers = [attack.order("piranha.take_over_by_force", [], key=key) for key in strange]
    assert attack.is_harmless()
    attack.is_refused(Kind.FORGED, {}, 17)
    assert not any(attack.is_answered(number) for number in numbers)


Change = Callable[[dict[str, Any]], None]
CHANGES: dict[str, Change] = {
    "another argument": lambda said: said.update(arguments=[True]),
    "one more argument": lambda said: said["arguments"].append(True),
    "another task": lambda said: said.update(task="piranha.take_over_by_force"),
    "another router": lambda said: said.update(router="r2"),
    "a newer serial number": lambda said: said.update(serial=said["serial"] + 1),
    "another id": lambda said: said.update(id="another"),
    "another version": lambda said: said.update(version=2),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_is_changed_in_a_signed_task_its_signature_does_not_count_any_more(
    attack: Attack, change: Change
) -> None:
    number, message = attack.signed("piranha.hand_over", [False])
    attack.put(altered(message, change))
    assert attack.is_harmless()
    attack.is_refused(Kind.FORGED, {})
    assert not attack.is_answered(number)


def altered(message: dict[str, Any], change: Change) -> dict[str, Any]:
    """The message with another text in it, and the signature of the first."""
    text, signature = parts(message)
    said = json.loads(text)
    change(said)
    return with_parts(message, [json.dumps(said, separators=(",", ":")), signature])


def parts(message: dict[str, Any]) -> list[str]:
    found: list[str] = json.loads(base64.b64decode(message["body"]))[0]
    return found


def with_parts(message: dict[str, Any], arguments: list[str]) -> dict[str, Any]:
    body = json.dumps([arguments, {}, {}]).encode()
    return {**message, "body": base64.b64encode(body).decode()}


def test_a_task_for_another_router_is_not_carried_out_here(attack: Attack) -> None:
    number = attack.order("piranha.take_over_by_force", [], router="r2")
    assert attack.is_harmless()
    attack.is_refused(Kind.FOREIGN, {})
    assert not attack.is_answered(number)


def test_the_very_bytes_of_a_task_count_once_also_after_the_worker_was_started_again(attack: Attack) -> None:
    number, message = attack.signed("piranha.rules", [])
    attack.put(message)
    attack.answer(number)
    attack.redis.delete(f"piranha:answer:r1:{number}")
    for times in (1, 2):
        attack.put(message)
        assert attack.is_harmless()
        attack.is_refused(Kind.REPLAYED, {}, times)
        attack.router.stop("worker")
        attack.router.start_worker()
    assert not attack.is_answered(number)


def test_a_task_that_is_put_into_the_queue_many_times_at_once_is_taken_once(attack: Attack) -> None:
    """The worker has two threads."""
    number, message = attack.signed("piranha.running", [])
    attack.redis.lpush("router.r1", *[json.dumps(message)] * 50)
    assert attack.answer(number)["ok"]
    assert attack.is_harmless()
    attack.is_refused(Kind.REPLAYED, {}, 49)


def test_nothing_that_stands_around_a_signed_task_is_believed(attack: Attack) -> None:
    """Celery's headers could name another task, put it off, let it expire, or have others called after it."""
    number, message = attack.signed("piranha.running", [])
    evil = {"task": "piranha.take_over_by_force", "args": [True], "options": {"queue": "router.r1"}}
    message["headers"] |= {
        "task": "piranha.take_over_by_force",
        "id": "another",
        "eta": "2999-01-01T00:00:00+00:00",
        "expires": "1999-01-01T00:00:00+00:00",
        "retries": -1,
        "timelimit": [0.001, 0.001],
        "reply_to": "x",
    }
    message["properties"] |= {"reply_to": "x", "correlation_id": "x", "priority": 9, "body_encoding": "x"}
    called = {"callbacks": [evil], "errbacks": [evil], "chain": [evil], "chord": evil}
    body = json.dumps([parts(message), {"kwargs": 1}, called]).encode()
    message["body"] = base64.b64encode(body).decode()
    attack.put(message)
    answer = attack.answer(number)
    assert answer["result"]["lvs_cf"] == lvs_cf(3)
    assert attack.is_harmless()
    assert attack.refused() == {}


def test_tasks_wait_for_days_and_are_carried_out_in_their_order(attack: Attack) -> None:
    attack.router.stop("worker")
    now = serials.next_serial(settings.VAR)
    numbers = [attack.order("piranha.running", [], serial=now + days * DAY) for days in range(3)]
    attack.router.start_worker()
    for number in numbers:
        assert attack.answer(number)["ok"]
    assert attack.refused() == {}
    begin_anew(attack, 0)


def test_tasks_may_overtake_each_other_within_ten_minutes(attack: Attack) -> None:
    newest = serials.next_serial(settings.VAR) + 2 * WINDOW
    attack.answer(attack.order("piranha.running", [], serial=newest))
    assert attack.answer(attack.order("piranha.running", [], serial=newest - WINDOW + 1))["ok"]
    number = attack.order("piranha.running", [], serial=newest - WINDOW)
    attack.is_refused(Kind.LATE, {})
    assert not attack.is_answered(number)
    begin_anew(attack, 0)


@pytest.mark.django_db(transaction=True)
def test_a_manager_that_counts_from_before_is_told_of_and_can_be_believed_again(attack: Attack) -> None:
    """Its machine was restored without its counter, while its clock is a day behind."""
    now = serials.next_serial(settings.VAR)
    attack.order("piranha.running", [], serial=now - DAY)
    attack.is_refused(Kind.LATE, {})
    (alarm,) = alarms()
    assert alarm.level == "danger"

    assert "older than the newest by the manager's own clock" in alarm.sentence
    assert "run on r1: piranha worker --router r1 --forget-serials" in alarm.sentence
    begin_anew(attack, 0)
    assert attack.answer(attack.order("piranha.running", [], serial=now - DAY + 1))["ok"]
    eventually(lambda: alarms() == [], "nothing is said any more", 10)
    begin_anew(attack, 0)


def alarms() -> list[Any]:
    """What is said of r1's refusals in CONTROL."""
    cluster = store.models.Cluster.objects.first() or store.create_cluster("lab", "r1", "r2")
    return [one for one in dispatch.state(cluster).alarms if "refused" in one.sentence]


def begin_anew(attack: Attack, wanted: int, *words: str) -> str:
    """What `piranha worker --forget-serials` says on the router."""
    done = subprocess.run(
        [PIRANHA, "worker", "--router", "r1", "--file", attack.router.file, "--forget-serials", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == wanted, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "content", [None, "", "piranha serials 1\n", "piranha serials 1\nx\n", "\x00" * 4096]
)
def test_a_worker_that_does_not_know_what_it_took_takes_nothing_until_it_is_told(
    attack: Attack, content: str | None
) -> None:
    path = worker_file.serials_of(attack.router.file)
    path.unlink()
    if content is not None:
        path.write_text(content)
    number = attack.order("piranha.running", [])
    attack.is_refused(Kind.UNRECORDED, {})
    assert not attack.is_answered(number)
    assert "has forgotten which tasks it took" in begin_anew(attack, 0)
    assert attack.is_harmless()
    eventually(lambda: attack.refused() == {}, "nothing is said any more", 10)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db(transaction=True)
def test_control_says_that_somebody_else_writes_to_redis(attack: Attack) -> None:
    for _ in range(17):
        attack.order("piranha.take_over_by_force", [], key=Ed25519PrivateKey.generate())
    attack.send("piranha.take_over_by_force", [])
    attack.is_refused(Kind.FORGED, {}, 17)
    attack.is_refused(Kind.UNSIGNED, {})
    said = sorted(alarms(), key=lambda alarm: alarm.sentence)
    assert [alarm.level for alarm in said] == ["danger", "danger"]
    assert said[0].sentence.startswith("r1 refused 1 task without a signature, the last one ")
    assert said[1].sentence.startswith("r1 refused 17 tasks with a wrong signature, the last one ")
    assert all("somebody else can write to Redis" in alarm.sentence for alarm in said)


def test_a_key_that_was_replaced_counts_while_it_is_trusted_and_not_any_more(attack: Attack) -> None:
    old, new = signing.manager_key(settings.VAR), Ed25519PrivateKey.generate()
    file = worker_file.read(attack.router.file)
    attack.router.stop("worker")
    try:
        trust(attack, (signing.public_text(old), signing.public_text(new)))
        attack.router.start_worker()
        for key in (old, new):
            assert attack.answer(attack.order("piranha.running", [], key=key))["ok"]
        attack.router.stop("worker")
        trust(attack, (signing.public_text(new),))
        attack.router.start_worker()
        number = attack.order("piranha.take_over_by_force", [], key=old)
        assert attack.answer(attack.order("piranha.running", [], key=new))["ok"]
        attack.is_refused(Kind.FORGED, {})
        assert not attack.is_answered(number)
    finally:
        attack.router.stop("worker")
        trust(attack, file.manager_keys)


def trust(attack: Attack, keys: tuple[str, ...]) -> None:
    """Has the worker's file name these keys of the manager."""
    file = replace(worker_file.read(attack.router.file), manager_keys=keys)
    worker_file.write(attack.router.file, file, serials.next_serial(settings.VAR))


def test_a_worker_does_not_start_with_a_file_that_is_not_its_own(attack: Attack, tmp_path: Path) -> None:
    file = tmp_path / "worker.json"
    command = [PIRANHA, "worker", "--file", file, "--router"]
    assert "there is no" in begin(command, "r1")
    assert "piranha enrol ROUTER on the manager" in begin(command, "r1")
    worker_file.write(file, worker_file.read(attack.router.file))
    assert "is the file of r1, and not of r2" in begin(command, "r2")
    file.chmod(0o644)
    assert "chmod 600" in begin(command, "r1")
    assert "runs already" in begin([*command[:3], attack.router.file, "--router"], "r1")


def begin(command: list[Any], router: str) -> str:
    done = subprocess.run([*command, router], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    return done.stderr
