"""The worker processes of one machine: each does one clip at a time, and one that dies is replaced."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from kinebeat.batch.work import failed
from kinebeat.children import ONE_THREAD, command

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from kinebeat.batch.work import Order, Outcome

RENEWED_AFTER = 200
"""A worker makes way for a new one after so many clips, so that no leak of any library can add up."""
GRACE_S = 5.0
"""How long workers that are told to stop have to clean up before they are killed."""


def local_outcomes(
    orders: Iterable[Order], *, workers: int, lock: int | None = None, limit_s: float | None = None
) -> Generator[Outcome]:
    """Do orders in worker processes; outcomes come as they are done.

    An order is taken only when there is a worker for it. Closing the iterator ends the workers.

    Args:
        orders: what is to be done.
        workers: how many processes.
        lock: file descriptor that the workers keep open, so that a lock on it holds until the last has ended.
        limit_s: a clip that takes longer fails, and its worker is replaced.
    """
    waiting = iter(orders)
    hands: list[_Hand] = []
    with selectors.DefaultSelector() as ready:
        try:
            more = True
            while more or any(hand.order for hand in hands):
                while more and (len(hands) < workers or any(hand.order is None for hand in hands)):
                    order = next(waiting, None)
                    if order is None:
                        more = False
                    else:
                        _free(hands, lock, ready).give(order)
                if not any(hand.order for hand in hands):
                    continue
                for hand in [key.data for key, _ in ready.select(_patience_s(hands, limit_s))]:
                    outcome = hand.listen()
                    if outcome is not None:
                        yield outcome
                    if hand.is_over:
                        ready.unregister(hand.answers)
                        hands.remove(hand)
                        _end([hand])
                for hand in hands:
                    if limit_s is not None and hand.order and hand.age_s > limit_s and not hand.told:
                        hand.stop(f"took longer than {limit_s:g} s", "allow more time, or leave it out")
        finally:
            _end(hands)


def _free(hands: list[_Hand], lock: int | None, ready: selectors.BaseSelector) -> _Hand:
    """A worker that has nothing to do, else a new one."""
    for hand in hands:
        if hand.order is None and hand.process.poll() is None:
            return hand
    hand = _Hand(lock)
    hands.append(hand)
    ready.register(hand.answers, selectors.EVENT_READ, hand)
    return hand


def _patience_s(hands: list[_Hand], limit_s: float | None) -> float | None:
    """How long to wait for an answer before a clip has had its time; None for ever."""
    if limit_s is None:
        return None
    return max(0.05, min((limit_s - hand.age_s for hand in hands if hand.order), default=limit_s))


def _end(hands: list[_Hand]) -> None:
    """End some workers: first they are asked, so that they clean up and end their own."""
    for hand in hands:
        hand.process.terminate()
    end_s = time.monotonic() + GRACE_S
    for hand in hands:
        with suppress(subprocess.TimeoutExpired):
            hand.process.wait(max(0.0, end_s - time.monotonic()))
        hand.close()


class _Hand:
    """One worker process."""

    def __init__(self, lock: int | None) -> None:
        self.process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            command("kinebeat.batch.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=() if lock is None else (lock,),
            # Ctrl-C in a terminal goes to the whole group: this process ends the workers itself.
            start_new_session=True,
            env={**os.environ, **ONE_THREAD},
        )
        if self.process.stdin is None or self.process.stdout is None:
            raise AssertionError("the pipes were asked for")
        self.orders, self.answers = self.process.stdin, self.process.stdout
        self.order: Order | None = None
        self.told: tuple[str, str] | None = None
        self.is_over = False
        self._heard = b""
        self._begun_s = 0.0
        self._clips = 0

    @property
    def age_s(self) -> float:
        """How long it has been at work on its clip."""
        return time.monotonic() - self._begun_s

    def give(self, order: Order) -> None:
        """Have a clip done."""
        self.order, self._begun_s = order, time.monotonic()
        with suppress(BrokenPipeError):  # it has died: that will be heard
            self.orders.write(json.dumps(order).encode() + b"\n")
            self.orders.flush()

    def listen(self) -> Outcome | None:
        """Take what the worker says; the outcome of its clip if that is whole, or of its death."""
        said = os.read(self.answers.fileno(), 1 << 16)
        if not said:
            self.is_over = True
            self.process.kill()  # it may live on without a voice
            order, self.order = self.order, None
            return None if order is None else failed(order, *self._death(), seconds=round(self.age_s, 3))
        self._heard += said
        line, whole, rest = self._heard.partition(b"\n")
        if not whole:
            return None
        self._heard, self.order = rest, None
        self._clips += 1
        self.is_over = self._clips >= RENEWED_AFTER
        outcome: Outcome = json.loads(line)
        return outcome

    def stop(self, problem: str, remedy: str) -> None:
        """Kill it; its clip fails with these words."""
        self.told = (problem, remedy)
        self.process.kill()

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.orders, self.answers):
            with suppress(OSError):
                pipe.close()

    def _death(self) -> tuple[str, str]:
        """Why it died, as far as can be known, and what to do."""
        if self.told is not None:
            return self.told
        code = self.process.wait()
        again = "run the batch again; if it happens again, leave the clip out"
        if code == -signal.SIGKILL:
            return "its worker was killed, perhaps for want of memory", "run the batch again, with fewer workers"
        if code < 0:
            return f"its worker died ({signal.Signals(-code).name})", again
        return f"its worker ended (exit code {code})", again
