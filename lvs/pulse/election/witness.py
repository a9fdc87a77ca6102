"""The witness: what the network was asked of the other router's machine, and what it answered. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

NEVER = float("-inf")
ENOUGH = 3  # questions without an answer that end a hold; a frame or two may get lost
SOME = 2  # questions without an answer before silence is taken for the other machine's end
_LEAST = 0.1  # seconds that a hold lasts at least: the other machine's kernel may be slow to answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """asked_at, answered_at: the last question and the last answer; times as in View.

    quiet_from: the silence that the counts are of. asked: how many questions there were in it since the last
    answer. over: how many of them had had their time at the last tick. unanswered: how many had had it at the
    tick before. Between two ticks the edge reads everything that has come, so what is in `unanswered` really
    found no answer, however late this process was scheduled.
    """

    asked_at: float = NEVER
    answered_at: float = NEVER
    quiet_from: float = NEVER
    asked: int = 0
    over: int = 0
    unanswered: int = 0

    def ask(self, now: float, quiet_from: float) -> Questions:
        """One more question, which goes out now; quiet_from: since when nothing was heard."""
        if quiet_from != self.quiet_from:
            return Questions(asked_at=now, answered_at=self.answered_at, quiet_from=quiet_from, asked=1)
        return replace(self, asked_at=now, asked=self.asked + 1)

    def answer(self, now: float) -> Questions:
        """The machine answered: whatever was asked before counts no longer."""
        return Questions(asked_at=self.asked_at, answered_at=now, quiet_from=self.quiet_from)

    def ticked(self, now: float, interval: float) -> Questions:
        """A tick; interval: the seconds that each question has."""
        over = self.asked if now >= self.asked_at + interval else max(self.asked - 1, 0)
        if (over, self.over) == (self.over, self.unanswered):
            return self
        return replace(self, over=over, unanswered=self.over)

    @property
    def counting(self) -> bool:
        """Whether the next tick, however soon, counts a question that matters."""
        return self.unanswered < min(self.over, ENOUGH)

    def hold(self, now: float, quiet_from: float) -> bool:
        """It answered since quiet_from, when its heartbeat was last heard, and has not ceased to."""
        if self.answered_at <= quiet_from:
            return False
        return self.lost(quiet_from) < ENOUGH or now < self.answered_at + _LEAST

    def lost(self, quiet_from: float) -> int:
        """How many questions in this silence found no answer since the last one that did."""
        return self.unanswered if quiet_from == self.quiet_from else 0

    def next_at(self, interval: float) -> tuple[float, ...]:
        return self.asked_at + interval, self.answered_at + _LEAST
