"""What the manager's worker does for alerts: look and judge in one thread, send in another.

Between the two stands the table of messages, so that what is slow or away (a mail server) keeps nothing up,
and what was not sent when the worker ended is sent by the next one.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Min, Q
from django.utils import timezone

from lvs import models
from lvs.rows.audit import harmless
from piranha_web.alerts import sending, targets, words
from piranha_web.alerts.rules import Message, Open, Policy, Seen, Word, step
from piranha_web.alerts.sending import Answer
from piranha_web.alerts.targets import Target
from piranha_web.alerts.watch import look, without_database

log = logging.getLogger("piranha.alerts")

LOOK_SECONDS = 5.0
SEND_SECONDS = 2.0
TOGETHER = 5  # messages that wait for one target are sent as one when there are more
AT_ONCE = 1000  # of them
AGAIN = (10, 60, 300, 900, 1800)  # seconds until the next try; the last one over and over
GIVEN_UP = timedelta(hours=24)
BUDGET = 30.0  # seconds after which nothing more is begun: the watchdog gives such a call `supervised.HUNG`
SIDE_BY_SIDE = 4  # targets that are told at once past the database
KEPT = timedelta(days=30)
MOST_KEPT = 5000
_FIELDS = tuple(one.name for one in fields(Open))

Send = Callable[[Target, str, str, str], Answer]


def policy_of(choice: models.AlertChoice) -> Policy:
    """What was chosen, for the rules."""
    return Policy(
        remind=choice.remind_hours * 3600.0,
        servers_after=float(choice.servers_after),
        off=frozenset(choice.off),
        quiet_until=choice.quiet_until.timestamp() if choice.quiet_until else 0.0,
        quiet_cluster=choice.quiet_cluster,
    )


# ---- look and judge


class Watch:
    """Looks, judges and writes down what is to be sent. send: where the database is not there for that."""

    def __init__(
        self,
        send: Send = sending.send,
        *,
        clock: Callable[[], float] = time.time,
        look: Callable[[float], Seen] = look,
    ) -> None:
        self._send = send
        self._clock = clock
        self._look = look
        self._without: dict[str, Open] = {}  # what is wrong with the database itself

    def advance(self) -> None:
        """One look. DatabaseError: the database does not answer; who must know of it was told."""
        now = self._clock()
        try:
            self._advance(now)
        except DatabaseError as error:
            self._tell_without_database(without_database(error), now)
            raise
        if self._without:
            self._tell_without_database(Seen(), now)

    def _advance(self, now: float) -> None:
        seen = self._look(now)
        choice = models.AlertChoice.now()
        with transaction.atomic():
            before = {row.key: _open_of(row) for row in models.Alert.objects.all()}
            after, messages = step(before, seen, policy_of(choice), now)
            _save(before, after)
            enqueue(messages)

    def _tell_without_database(self, seen: Seen, now: float) -> None:
        """The same without rows: straight to the targets, and remembered by this process alone."""
        self._without, messages = step(self._without, seen, Policy(), now)
        end = time.monotonic() + BUDGET

        def tell(target: Target, message: Message) -> None:
            if time.monotonic() > end:
                log.error("%s was not told: the targets before it took too long", target.mask)
                return
            answer = self._send(target, words.title_of(message), _body(message), message.level)
            if not answer.ok:
                log.error("%s was not told: %s", target.mask, answer.said)

        wanted = [(target, message) for message in messages for target in _targets()]
        with ThreadPoolExecutor(SIDE_BY_SIDE, "alert") as side_by_side:
            for done in [side_by_side.submit(tell, *one) for one in wanted]:
                done.result()
        if all(one.closed or one.told is None for one in self._without.values()) and not seen.conditions:
            self._without = {}


def _open_of(row: models.Alert) -> Open:
    said = {name: getattr(row, name) for name in _FIELDS}
    return Open(**(said | {"comings": tuple(row.comings)}))


def _save(before: dict[str, Open], after: dict[str, Open]) -> None:
    gone = before.keys() - after.keys()
    if gone:
        models.Alert.objects.filter(key__in=gone).delete()
    for key, one in after.items():
        if before.get(key) != one:
            said = asdict(one) | {"comings": list(one.comings)}
            models.Alert.objects.update_or_create(key=said.pop("key"), defaults=said)


def enqueue(messages: Iterable[Message]) -> None:
    """Each message for each target."""
    found = list(messages)
    if not found:
        return
    for message in found:
        log.log(
            logging.INFO if message.word is Word.ENDS else logging.WARNING,
            "alert %s %s: %s",
            message.kind,
            message.word,
            harmless(message.sentence),
        )
    models.AlertMessage.objects.bulk_create(
        models.AlertMessage(
            target=target.id,
            kind=message.kind,
            level=message.level,
            title=words.title_of(message),
            body=_body(message),
        )
        for target in _targets()
        for message in found
    )


def _body(message: Message) -> str:
    return words.body_of(message, socket.gethostname())


def _targets() -> list[Target]:
    try:
        return targets.read(settings.PIRANHA_ALERTS_FILE)
    except (targets.TargetRefused, OSError) as error:
        log.error("nobody is alerted: %s", error)
        return []


# ---- send


def deliver(send: Send = sending.send) -> int:
    """Sends what is due, to one target after the other; how many messages went. OSError: no list of targets.

    Targets that do not answer take their time: the rest has its turn next time.
    """
    end = time.monotonic() + BUDGET
    now = timezone.now()
    # What is to wait longer than anything does, waits for a clock that was set back since.
    in_time = Q(next_at__lte=now) | Q(next_at__gt=now + timedelta(seconds=2 * AGAIN[-1]))
    due = models.AlertMessage.objects.filter(in_time, state=models.AlertMessage.State.WAITING)
    waiting = due.order_by().values_list("target").annotate(first=Min("next_at")).order_by("first")
    names = [name for name, _first in waiting]
    if not names:
        return 0
    known = {one.id: one for one in targets.read(settings.PIRANHA_ALERTS_FILE)}
    sent = 0
    for name in names:
        if time.monotonic() > end:
            break
        rows = list(due.filter(target=name)[:AT_ONCE])
        if name not in known:
            _end(rows, models.AlertMessage.State.DROPPED, "its target was removed")
        elif len(rows) > TOGETHER:
            sent += _try(
                rows,
                known[name],
                *words.digest([row.title for row in rows], [row.level for row in rows]),
                send,
            )
        else:
            for row in rows:
                went = _try([row], known[name], row.title, row.body, row.level, send)
                sent += went
                if not went:
                    # One that is away would cost its time for each message again.
                    _wait_with(rows, row)
                    break
                if time.monotonic() > end:
                    break
    _forget()
    return sent


def _try(
    rows: Sequence[models.AlertMessage], target: Target, title: str, body: str, level: str, send: Send
) -> int:
    """One try with all of rows; how many went.

    The try is counted before it: one that ends this process is not the first of the next one.
    """
    for row in rows:
        row.tries += 1
    _put_off(rows)
    models.AlertMessage.objects.bulk_update(rows, ["tries", "next_at"], 500)
    answer = send(target, title, body, level)
    if answer.ok:
        _end(rows, models.AlertMessage.State.SENT, "")
        return len(rows)
    log.warning("an alert did not reach %s: %s", target.mask, answer.said)
    now = timezone.now()
    _put_off(rows)
    for row in rows:
        row.error = answer.said
        if now - row.made_at >= GIVEN_UP:
            row.state, row.ended_at = models.AlertMessage.State.FAILED, now
    models.AlertMessage.objects.bulk_update(rows, ["error", "next_at", "state", "ended_at"], 500)
    return 0


def _put_off(rows: Iterable[models.AlertMessage]) -> None:
    """The next try is as far from now as there were tries."""
    now = timezone.now()
    for row in rows:
        row.next_at = now + timedelta(seconds=AGAIN[min(row.tries, len(AGAIN)) - 1])


def _wait_with(rows: Iterable[models.AlertMessage], failed: models.AlertMessage) -> None:
    """The messages behind one that did not go wait as long as it does."""
    later = [row.pk for row in rows if row.pk > failed.pk]
    models.AlertMessage.objects.filter(pk__in=later).update(next_at=failed.next_at, error=failed.error)


def _end(rows: Iterable[models.AlertMessage], state: str, error: str) -> None:
    now = timezone.now()
    for row in rows:
        row.state, row.error, row.ended_at = state, error, now
        row.save(update_fields=["state", "error", "ended_at"])


def _forget() -> None:
    """What is old, and what is too much."""
    done = models.AlertMessage.objects.exclude(state=models.AlertMessage.State.WAITING)
    done.filter(made_at__lt=timezone.now() - KEPT).delete()
    last = done.order_by("-pk").values_list("pk", flat=True)[MOST_KEPT : MOST_KEPT + 1].first()
    if last is not None:
        done.filter(pk__lte=last).delete()
