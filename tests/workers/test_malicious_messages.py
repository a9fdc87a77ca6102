"""Messages that somebody else put into Redis: the worker refuses them or answers with an error, and goes on.

Messages are not signed yet: whoever can write to the Redis of a cluster can send each task that the manager
can. What stands here is that nobody can send more than that.
"""

from __future__ import annotations

import base64
import json
import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from lvs import answers, reports, tasks
from piranha_web.celery import app
from tests.conftest import RedisServer, eventually
from tests.unit.pulse.world import lvs_cf
from tests.workers.conftest import RouterProcesses

QUEUE = tasks.queue_of("r1")


class Attack:
    """Somebody who can write to Redis, and a router whose worker takes from it."""

    def __init__(self, router: RouterProcesses, folder: Path) -> None:
        self.router = router
        self.redis: redis.Redis = reports.connect(router.broker_url)
        self.trace = folder / "trace"

    def message(self, task: str, arguments: Any, **changes: Any) -> tuple[str, dict[str, Any]]:
        """A message as Celery writes it, and its id; the task is wanted."""
        number = uuid.uuid4().hex
        body = json.dumps(
            [arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
        )
        answers.want(self.redis, number)
        return number, {
            "body": base64.b64encode(body.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": task, "id": number, "root_id": number, "parent_id": None},
            "properties": {
                "correlation_id": number,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": QUEUE},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": uuid.uuid4().hex,
            },
            **changes,
        }

    def send(self, task: str, arguments: Any, **changes: Any) -> str:
        number, message = self.message(task, arguments, **changes)
        self.redis.lpush(QUEUE, json.dumps(message))
        return number

    def answer(self, number: str) -> answers.Answer:
        """What the worker answers."""
        found: list[answers.Answer] = []

        def there() -> bool:
            answer = answers.take(self.redis, number)
            if answer is not None:
                found.append(answer)
            return answer is not None

        eventually(there, f"the task {number} is answered", 20)
        return found[0]

    def is_harmless(self) -> bool:
        """Whether the same worker does the next honest task, and pulse runs what it ran before."""
        answer = self.answer(self.send("piranha.running", []))
        return (
            answer["ok"]
            and answer["result"]["lvs_cf"] == lvs_cf(3)
            and self.router.processes["worker"].poll() is None
            and not self.trace.exists()
        )


@pytest.fixture(scope="module")
def attack(_redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    """One router for all attacks: none of them may end it."""
    folder = tmp_path_factory.mktemp("attack")
    router = RouterProcesses("r1", "primary", folder / "r1", _redis_server.url)
    router.start_pulse()
    router.client.install(lvs_cf(3))
    router.start_worker()
    yield Attack(router, folder)
    router.stop_all()


class Evil:
    """Runs a program where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_a_task_that_is_none_of_ours_is_not_run(attack: Attack) -> None:
    for name in (
        "os.system",
        "celery.backend_cleanup",
        "celery.chord_unlock",
        "piranha.evil",
        "",
        "x" * 10_000,
    ):
        attack.send(name, [f"touch {attack.trace}"])
    assert attack.is_harmless()


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
    pickled = base64.b64encode(pickle.dumps([[Evil(attack.trace)], {}, {}])).decode()
    attack.send("piranha.running", [], body=pickled, **{"content-type": kind, "content-encoding": "binary"})
    attack.send("piranha.running", [], body=pickled, **{"content-type": "application/json"})
    yaml = base64.b64encode(f'!!python/object/apply:os.system ["touch {attack.trace}"]'.encode()).decode()
    attack.send("piranha.running", [], body=yaml, **{"content-type": kind})
    assert attack.is_harmless()


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
    answer = attack.answer(attack.send(f"piranha.{task}", arguments))
    assert not answer["ok"]
    assert answer["error"]["message"]
    assert attack.is_harmless()


@pytest.mark.parametrize("arguments", [[], [1, 2, 3, 4, 5, 6, 7], {"document": {}}, "x", None, 7])
def test_arguments_in_the_wrong_number_or_shape_run_nothing(attack: Attack, arguments: Any) -> None:
    for task in ("apply", "server", "confirm", "guard"):
        attack.send(f"piranha.{task}", arguments)
    assert attack.is_harmless()


def test_what_nobody_asked_for_is_left_out(attack: Attack) -> None:
    number, message = attack.message("piranha.take_over_by_force", [])
    answers.unwant(attack.redis, number)
    attack.redis.lpush(QUEUE, json.dumps(message))
    assert attack.is_harmless()
    assert answers.take(attack.redis, number) is None


def test_what_is_in_another_routers_queue_is_not_taken(attack: Attack) -> None:
    _, message = attack.message("piranha.running", [])
    attack.redis.lpush(tasks.queue_of("r2"), json.dumps(message))
    assert attack.is_harmless()
    assert attack.redis.llen(tasks.queue_of("r2")) == 1
    attack.redis.delete(tasks.queue_of("r2"))


def test_a_document_of_fifty_megabytes_is_refused(attack: Attack) -> None:
    answer = attack.answer(attack.send("piranha.plan", [{"comments": {"": ["# " + "x" * 50_000_000]}}]))
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
    attack.redis.lpush(QUEUE, raw)
    assert attack.is_harmless()
