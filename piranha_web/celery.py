"""The Celery application: JSON only, one queue a router, nothing that could wait for ever.

A router's worker imports this and `lvs.tasks`, never Django; the site imports it to send.
"""

from __future__ import annotations

import os

from celery import Celery
from kombu.transport.redis import Channel

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
# Nor does a worker give back what it has not acknowledged when its connection is lost, which Celery takes for
# the end of the worker: kombu trips in the same way. The manager sends that again as well.
Channel.do_restore = False
app.set_default()
