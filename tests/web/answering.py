"""A router's worker as the site sees it: it takes what is in its queue and answers as the test says."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lvs.machines import doorway, signing
from lvs.machines.worker_file import queue_of
from lvs.reported import answers, reports


@contextmanager
def answering(name: str, **says: dict[str, Any]) -> Iterator[list[tuple[str, list[Any]]]]:
    """Answers the router's tasks meanwhile; gives what was asked, as (task, arguments).

    says: by the last word of the task's name its result, or an error as {"refused": message}.
    """
    asked: list[tuple[str, list[Any]]] = []
    client = reports.connect(os.environ["PIRANHA_BROKER_URL"])
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            taken = client.brpop([queue_of(name)], timeout=0.1)
            if not taken:
                continue
            signed = signing.opened(str(doorway.parts_of(json.loads(str(taken[1])))[0]))
            task = signed.task.rpartition(".")[2]
            asked.append((task, list(signed.arguments)))
            answers.give(client, name, signed.task_id, answer_of(says[task]))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        ended.set()
        thread.join()
        client.close()


def answer_of(said: dict[str, Any]) -> answers.Answer:
    """What a worker leaves for whoever asked."""
    if "refused" in said:
        return {
            "ok": False,
            "error": {"kind": "RouterError", "message": said["refused"], "problems": []},
        }
    return {"ok": True, "result": said}
