"""What a worker writes into its log."""

from __future__ import annotations

from lvs import tasks
from lvs.dispatch import broker
from lvs.reported import answers
from lvs.sent import sending
from tests.conftest import eventually
from tests.workers.conftest import RouterProcesses


def test_no_key_is_in_a_workers_log_however_talkative_it_is(routers: dict[str, RouterProcesses]) -> None:
    key, task_id = "5ec7" * 16, "t0"
    sending.send(broker(), "r1", tasks.apply, [{}, None, [key], None], task_id)
    router = routers["r1"]
    router.start_worker("--log-level", "debug")
    eventually(lambda: answers.take(broker(), "r1", task_id) is not None, "the task is answered", 60)
    router.stop("worker")
    written = (router.folder / "worker.log").read_text()
    assert "DEBUG" in written
    assert task_id in written
    assert key not in written
