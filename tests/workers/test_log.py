"""What a worker writes into its log."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lvs import answers, tasks
from lvs.dispatch import broker
from tests.conftest import RedisServer, eventually
from tests.workers.conftest import PIRANHA


def test_no_key_is_in_a_workers_log_however_talkative_it_is(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    key, task_id = "5ec7" * 16, "t0"
    answers.want(broker(), task_id)
    tasks.apply.apply_async(
        [{}, None, [key], None], queue=tasks.queue_of("r1"), task_id=task_id, argsrepr="(…)"
    )
    log = tmp_path / "log"
    words = ["worker", "--router", "r1", "--pulse-socket", str(tmp_path / "none"), "--log-level", "debug"]
    with (
        log.open("wb") as output,
        subprocess.Popen([PIRANHA, *words], stderr=output, stdout=output) as worker,
    ):
        try:
            eventually(lambda: answers.take(broker(), task_id) is not None, "the task is answered", 60)
        finally:
            worker.terminate()
            worker.wait(30)
    written = log.read_text()
    assert "DEBUG" in written
    assert task_id in written
    assert key not in written
