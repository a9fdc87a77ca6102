"""The Celery application: JSON only, one queue a router, nothing that could wait for ever.

A router's worker imports this and `lvs.tasks`, never Django; the site imports it to send. A worker takes what
its doorway admits (`lvs.machines.doorway`), and one without a doorway takes nothing at all.
"""

from __future__ import annotations

import logging
import os
from queue import Empty
from typing import Any, ClassVar

from celery import Celery
from kombu.transport.redis import Channel, Transport
from kombu.transport.virtual import Message

from lvs.machines import broker
from lvs.machines.doorway import Doorway, Refused
from lvs.machines.refusals import Kind

log = logging.getLogger("piranha.worker")

BROKER_URL = broker.url_in(os.environ)

app = Celery("piranha", broker=BROKER_URL, include=["lvs.tasks"])
app.conf.update(
    broker_use_ssl=broker.CELERY if broker.is_tls(BROKER_URL) else None,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,  # answers go through lvs.reported.answers
    task_default_queue="manager",
    # Queues without an exchange of their own: kombu keeps no bindings of them in Redis, where no router may
    # write any (redis_users).
    task_default_exchange="",
    # What a killed worker leaves is sent again by the manager (lvs.sent.deploy), with a serial number of its
    # own.
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
        # No copy of a task stays in Redis while it is carried out: nothing would ever ask for it, for a task
        # that Redis hands out a second time is refused (lvs.machines.serials).
        "ack_emulation": False,
        "priority_steps": [0],  # one key for a queue; with more, others could be put before it
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    timezone="UTC",
)


class AdmittedMessage(Message):
    """A message of which Celery sees what the doorway made of it."""

    def __init__(self, payload: object, channel: PatientChannel, **options: Any) -> None:
        if channel.doorway is None:
            raise Refused("this worker takes no tasks")
        super().__init__(  # type: ignore[no-untyped-call]
            channel.doorway.admit(payload), channel=channel, **options
        )


class PatientChannel(Channel):
    """A channel that outlives what somebody puts into a queue that is no message of the manager's."""

    Message = AdmittedMessage  # type: ignore[assignment]  # kombu makes them by this name
    doorway: ClassVar[Doorway | None] = None  # of a router's worker
    connection_class_ssl: Any = broker.VerifiedConnection

    # A worker gives nothing back that it has not carried out when its connection is lost: the manager sends
    # that again. Kombu would trip over the closed connection (AttributeError in _connparams), which Celery
    # does not take for a lost one: it would end the worker.
    do_restore = False

    def _brpop_read(self, **options: Any) -> bool:
        """Takes the next message; Celery takes an error in its form for one of its own, and would end."""
        before = set(self.qos._delivered)
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[no-untyped-call]
        except Refused as error:
            if self.doorway is None:
                log.error("left out a message: %s", error)
            raise Empty from error
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            why = f"it is no message at all ({type(error).__name__}: {error})"
            if self.doorway is None:
                log.error("left out a message: %s", why)
            else:
                self.doorway.refusals.note(Kind.UNSIGNED, why)
            for tag in set(self.qos._delivered) - before:  # else it would count as one under way
                self.basic_reject(tag, requeue=False)  # type: ignore[no-untyped-call]
            raise Empty from error


Transport.Channel = PatientChannel
app.amqp.autoexchange = lambda name: None  # as task_default_exchange, for queues that are not named before
app.set_default()


def known_tasks() -> frozenset[str]:
    """The names of this application's tasks; Celery's own are for nobody."""
    app.loader.import_default_modules()
    return frozenset(name for name in app.tasks if name.startswith("piranha."))


def serve_router(doorway: Doorway, broker_url: str) -> None:
    """Has this process, a router's worker, take what the doorway admits from the Redis at broker_url."""
    PatientChannel.doorway = doorway
    app.conf.broker_url = broker_url
    app.conf.broker_use_ssl = broker.CELERY if broker.is_tls(broker_url) else None
