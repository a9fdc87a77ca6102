"""Messages that somebody else put into Redis: the worker refuses them, and goes on. And senseless ones of the
manager itself, which are answered with an error."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from lvs.machines.doorway import Refused
from lvs.machines.refusals import Kind
from lvs.machines.worker_file import queue_of
from lvs.reported import answers
from piranha_web.celery import app
from tests.conftest import RedisServer
from tests.unit.pulse.world import lvs_cf
from tests.workers.attacker import QUEUE, Attack
from tests.workers.conftest import RouterProcesses


@pytest.fixture(scope="module")
def attack(_redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    """One router for all attacks: none of them may end it."""
    folder = tmp_path_factory.mktemp("attack")
    router = RouterProcesses("r1", "primary", folder / "r1", _redis_server.url)
    router.start_pulse()
    router.client.install(lvs_cf(3))
    router.start_worker()
    made = Attack(router, folder)
    assert made.is_harmless()
    yield made
    router.stop_all()


class Evil:
    """Runs a program where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


NO_TASKS = (
    "os.system",
    "celery.backend_cleanup",
    "celery.chord_unlock",
    "piranha.evil",
    "",
    "x" * 10_000,
)


def test_a_task_that_is_none_of_ours_is_not_run(attack: Attack) -> None:
    before = attack.refused()
    for name in NO_TASKS:
        attack.send(name, [f"touch {attack.trace}"])
    assert attack.is_harmless()
    attack.is_refused(Kind.UNSIGNED, before, len(NO_TASKS))


def test_a_task_that_a_newer_manager_signs_and_this_worker_does_not_know_is_answered(attack: Attack) -> None:
    for name in NO_TASKS:
        answer = attack.answer(attack.order(name, [f"touch {attack.trace}", "geheim"]))
        assert "Install the same version here" in answer["error"]["message"]
        assert "geheim" not in str(answer)
    assert attack.is_harmless()
    assert "geheim" not in (attack.router.folder / "worker.log").read_text()


def test_each_of_our_tasks_without_a_signature_is_refused(attack: Attack) -> None:
    before = attack.refused()
    app.loader.import_default_modules()
    names = [name for name in app.tasks if name.startswith("piranha.")]
    assert len(names) > 10
    numbers = [attack.send(name, []) for name in names]
    assert attack.is_harmless()
    attack.is_refused(Kind.UNSIGNED, before, len(names))
    assert not any(attack.is_answered(number) for number in numbers)


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-python-serialize",
        "application/x-yaml",
        "application/x-msgpack",
        "application/data",
        "x",
        "",
    ],
)
def test_only_json_is_read(attack: Attack, kind: str) -> None:
    before = attack.refused()
    pickled = base64.b64encode(pickle.dumps([[Evil(attack.trace)], {}, {}])).decode()
    attack.send("piranha.running", [], body=pickled, **{"content-type": kind, "content-encoding": "binary"})
    attack.send("piranha.running", [], body=pickled, **{"content-type": "application/json"})
    yaml = base64.b64encode(f'!!python/object/apply:os.system ["touch {attack.trace}"]'.encode()).decode()
    attack.send("piranha.running", [], body=yaml, **{"content-type": kind})
    assert attack.is_harmless()
    attack.is_refused(Kind.UNSIGNED, before, 3)


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        ("apply", [None]),
        ("apply", ["virtual a {"]),
        ("apply", [{"virtual": "x"}]),
        ("apply", [{"active_cmd": "x\nserial_no = 9"}]),
        ("apply", [{"virtual": [{"name": "../../etc", "send_program": "/bin/sh"}]}, -1, ["key"], 1e9]),
        ("apply", [{"serial_no": 2**80}]),
        ("apply", [{"serial_no": 4}, None, "not a list", None]),
        ("plan", [[[]]]),
        ("explain", ["../../etc/shadow", "/etc/shadow", True]),
        ("explain", [1, 2, 3]),
        ("examine", [None, None]),
        ("try_check", [{}, "a", "b"]),
        ("server", [[["a", "b"]], "reboot", "root"]),
        ("server", [[["shop", "web1"]], "drain", "root", "reason", "soon"]),
        ("confirm", ["3; reboot"]),
        ("guard", [22, ["fe80::1%x } include /etc/shadow"]]),
        ("guard", ["22", "all"]),
    ],
)
def test_senseless_arguments_are_answered_with_an_error(attack: Attack, task: str, arguments: Any) -> None:
    answer = attack.answer(attack.order(f"piranha.{task}", arguments))
    assert not answer["ok"]
    assert answer["error"]["message"]
    assert attack.is_harmless()


@pytest.mark.parametrize("arguments", [[], [1, 2, 3, 4, 5, 6, 7]])
def test_arguments_in_the_wrong_number_run_nothing(attack: Attack, arguments: Any) -> None:
    for task in ("apply", "server", "confirm", "guard"):
        attack.order(f"piranha.{task}", arguments)
    assert attack.is_harmless()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x"],
        [{}, {}],
        ["{}", None],
        ["{}", "not base64!"],
        ["", ""],
        {"text": "x"},
        "xy",
        None,
        7,
        [[], []],
    ],
    ids=str,
)
def test_what_is_in_the_place_of_a_signature_and_is_none_is_refused(attack: Attack, arguments: Any) -> None:
    before = attack.refused()
    attack.send("piranha.running", arguments)
    assert attack.is_harmless()
    refused = attack.refused
    attack.is_refused(Kind.FORGED if arguments == ["", ""] else Kind.UNSIGNED, before)
    assert Kind.UNRECORDED not in refused()


def test_what_nobody_asked_for_is_left_out(attack: Attack) -> None:
    number, message = attack.signed("piranha.take_over_by_force", [])
    answers.unwant(attack.redis, "r1", number)
    attack.put(message)
    assert attack.is_harmless()
    assert not attack.is_answered(number)


def test_what_is_in_another_routers_queue_is_not_taken(attack: Attack) -> None:
    _, message = attack.message("piranha.running", [])
    attack.redis.lpush(queue_of("r2"), json.dumps(message))
    assert attack.is_harmless()
    assert attack.redis.llen(queue_of("r2")) == 1
    attack.redis.delete(queue_of("r2"))


def test_a_document_of_fifty_megabytes_is_refused(attack: Attack) -> None:
    answer = attack.answer(attack.order("piranha.plan", [{"comments": {"": ["# " + "x" * 50_000_000]}}]))
    assert not answer["ok"]
    assert attack.is_harmless()


def test_nobody_commands_the_worker_by_celerys_remote_control(attack: Attack) -> None:
    """shutdown would end it, add_consumer have it serve another queue, rate_limit hold Apply back."""
    with app.connection_for_write(attack.router.broker_url) as connection:
        for command, arguments in (
            ("rate_limit", {"task_name": "piranha.running", "rate_limit": "1/h"}),
            ("add_consumer", {"queue": "router.r2"}),
            ("cancel_consumer", {"queue": QUEUE}),
            ("shutdown", {}),
        ):
            app.control.broadcast(command, arguments=arguments, connection=connection)
    assert attack.is_harmless()
    assert attack.is_harmless()
    assert attack.redis.pubsub_numpat() == 0


@pytest.mark.parametrize(
    "raw",
    ["", "not json", "[]", "{}", "7", '"text"', '{"properties": 1}', "[" * 100_000, "\x00", '{"body": "x"}'],
    ids=lambda raw: str(raw)[:20],
)
def test_what_is_no_message_at_all_does_not_end_the_worker(attack: Attack, raw: str) -> None:
    before = attack.refused()
    attack.put(raw)
    assert attack.is_harmless()
    attack.is_refused(Kind.UNSIGNED, before)


def test_the_managers_worker_takes_nothing_from_anybody(redis_server: RedisServer) -> None:
    """Nobody sends it tasks: its work stands in the database."""
    with Connection(redis_server.url, transport_options=app.conf.broker_transport_options) as connection:
        channel = connection.channel()
        with connection.SimpleQueue("manager") as queue:
            queue.put({"any": "task"})
        with pytest.raises(Refused, match="takes no tasks"):
            channel.basic_get("manager")
