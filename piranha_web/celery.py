"""The Celery application: JSON only, one queue a router, nothing that could wait for ever.

A router's worker imports this and `lvs.tasks`, never Django; the site imports it to send.
"""

from __future__ import annotations

import logging
import os
from queue import Empty
from typing import Any

from celery import Celery
from kombu.transport.redis import Channel, Transport

log = logging.getLogger("piranha.worker")

BROKER_URL = os.environ.get("PIRANHA_BROKER_URL", "redis://127.0.0.1:6379/0")

app = Celery("piranha", broker=BROKER_URL, include=["lvs.tasks"])
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,  # answers go through lvs.answers
    task_default_queue="manager",
    # What a killed worker leaves is sent again by the manager (lvs.deploy), long before Redis would hand it
    # out again. A late acknowledgement, due when Redis is away, would end the worker: kombu trips over the
    # closed connection (AttributeError in Channel._connparams), which Celery does not take for a lost one.
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    # Else whoever can write to Redis could end a worker, or have it serve another queue. We do not use it.
    worker_enable_remote_control=False,
    # A lost Redis must be an answer within seconds, in the page as in the worker.
    broker_transport_options={
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.2,
        "visibility_timeout": 3600,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    timezone="UTC",
)


class PatientChannel(Channel):
    """A channel that outlives what somebody puts into a queue that is no message."""

    # A worker gives nothing back that it has not acknowledged when its connection is lost, which Celery takes
    # for the end of the worker: kombu trips as above. The manager sends that again as well.
    do_restore = False

    def _brpop_read(self, **options: Any) -> bool:
        """Takes the next message; Celery takes an error in its form for one of its own, and would end."""
        before = set(self.qos._delivered)
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            log.error("left out what is no message: %s: %s", type(error).__name__, error)
            for tag in set(self.qos._delivered) - before:  # else it would count as one under way
                self.basic_reject(tag, requeue=False)  # type: ignore[no-untyped-call]
            raise Empty from error


Transport.Channel = PatientChannel
app.set_default()
