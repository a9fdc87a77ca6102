"""A router's worker without Celery: for each line, a document, does what the task `apply` does.

Prints a line of JSON for each: the wall time until pulse has answered, and the worker's processor time.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from lvs import tasks
from lvs.pulse.client import PulseClient


def main(socket: Path) -> None:
    for line in sys.stdin:
        started, used = time.perf_counter(), time.process_time()
        result = PulseClient(socket, timeout=tasks.APPLY_SECONDS).install(tasks.rendered(json.loads(line)))
        took = {"wall": time.perf_counter() - started, "work": time.process_time() - used}
        print(json.dumps(took | {"changes": len(result["changes"])}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
