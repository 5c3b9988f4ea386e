"""Runs a batch: which clips are to be done, who does them, and the manifest."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kinebeat.batch.clips import find_clips, identity
from kinebeat.batch.folder import opened
from kinebeat.batch.manifest import Manifest
from kinebeat.batch.settings import BatchSettings, resolved
from kinebeat.batch.work import failed, order_of
from kinebeat.errors import OptionError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinebeat.batch.clips import Clip
    from kinebeat.batch.settings import Resolved
    from kinebeat.batch.work import Order, Outcome
    from kinebeat.clock import Progress

TOLD = 20
"""So many failures are told one by one; the manifest has all."""


@dataclass(frozen=True)
class BatchResult:
    """What a run of a batch came to.

    Attributes:
        done: clips that were done in this run.
        skipped: clips that had been done before, with the same options.
        failed: clips that came to nothing; the next run tries them again.
        failures: a line on each of the first of them.
        manifest: the file that tells of all clips.
        seconds: how long it took.
    """

    done: int
    skipped: int
    failed: int
    failures: tuple[str, ...]
    manifest: Path
    seconds: float


def run_batch(
    source: str | Path,
    out: str | Path,
    settings: BatchSettings | None = None,
    *,
    workers: int | None = None,
    ray: str | None = None,
    redo: bool = False,
    limit_s: float | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Make the soundtracks of all clips of a folder or list; those that are done are skipped.

    The results are the same, bit for bit, with any number of workers and on a cluster, and the same as those of
    `kinebeat.soundtrack` with the clip's seed, which is in its line.

    Args:
        source: a folder, or a text file with a path on each line.
        out: a folder for the results and the manifest, made if it is not there.
        settings: what is made of every clip.
        workers: clips that are worked on at a time; as many as there are cores if None.
        ray: address of a Ray cluster, "auto" or "local"; processes of this machine if None.
        redo: do all clips again.
        limit_s: a clip that takes longer fails; not with `ray`.
        progress: called with "clips" and the share of them that is done.

    Raises:
        InputError: there are no clips, or the soundfont or song cannot be used.
        OptionError: an option is outside what it may be.
        OutputError: the folder cannot be written, its disk is full, or another batch is at work in it.
    """
    if workers is not None and workers < 1:
        raise OptionError(f"{workers} workers: expected 1 or more")
    if limit_s is not None and not limit_s > 0:
        raise OptionError(f"a limit of {limit_s:g} s: expected more than 0")
    if limit_s is not None and ray is not None:
        raise OptionError("a time limit and a cluster: only the workers of this machine can be held to one")
    if ray is not None:
        from kinebeat.batch.cluster import check_cluster

        check_cluster(ray)
    begin_s = time.perf_counter()
    sure = resolved(settings or BatchSettings())
    out = Path(out).absolute()
    clips = find_clips(source, out)
    with opened(out) as lock, Manifest(out) as manifest:
        batch = _Batch(clips, out, sure, manifest, progress)
        orders = batch.orders(redo)
        if ray is None:
            from kinebeat.batch.crew import local_outcomes
            from kinebeat.pose.processes import usable_cores

            outcomes = local_outcomes(orders, workers=workers or usable_cores(), lock=lock, limit_s=limit_s)
        else:
            from kinebeat.batch.cluster import ray_outcomes

            outcomes = ray_outcomes(orders, address=ray, workers=workers)
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                batch.take(outcome)
    counts = batch.counts
    return BatchResult(
        counts["done"],
        counts["same"],
        counts["failed"],
        tuple(batch.failures),
        manifest.path,
        time.perf_counter() - begin_s,
    )


class _Batch:
    """The clips of one run and what has become of them."""

    def __init__(
        self, clips: list[Clip], out: Path, settings: Resolved, manifest: Manifest, progress: Progress | None
    ) -> None:
        self._clips = clips
        self._out = out
        self._settings = settings
        self._manifest = manifest
        self._progress = progress
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._before: dict[str, Outcome] = {}

    def orders(self, redo: bool) -> Iterator[Order]:
        """What is to be done; clips that need nothing are counted on the way."""
        key = self._settings.key
        self._report()
        for clip in self._clips:
            known = None
            with contextlib.suppress(OSError):  # who does the clip will say why it cannot be read
                now = identity(clip.path)
                if not redo:
                    if self._manifest.is_done(clip, key, now):
                        self._count("same")
                        continue
                    known = self._manifest.known_sha256(clip, key, now)
            order = order_of(clip, self._out, self._settings, known)
            other = self._manifest.other_source(clip)
            if other is not None:
                problem = f"the results of {other} are under its name in {self._out}"
                self.take(failed(order, problem, "take another output folder for it"), keep=True)
                continue
            before = self._manifest.begin(clip.name)
            if known is not None and before is not None:
                self._before[clip.name] = before
            yield order

    def take(self, outcome: Outcome, *, keep: bool = False) -> None:
        """Note down what came of a clip.

        Args:
            outcome: from a worker.
            keep: leave the clip's line as it is.

        Raises:
            OutputError: nothing can be written any more.
        """
        kind = outcome["outcome"]
        stop = outcome.pop("stop", False)
        before = self._before.pop(outcome["clip"], None)
        if kind == "same" and before is not None:
            outcome = before | outcome | {"outcome": "done"}
        if kind == "failed" and len(self.failures) < TOLD:
            self.failures.append(f"{outcome['clip']}: {outcome['problem']}; {outcome['remedy']}")
        if not keep:
            self._manifest.add(outcome | ({"options": self._settings.key} if kind == "failed" else {}))
        self._count(kind)
        if stop:
            raise OutputError(self._out, outcome["problem"], f"{outcome['remedy']}; then run the batch again")

    def _count(self, kind: str) -> None:
        self.counts[kind] += 1
        self._report()

    def _report(self) -> None:
        if self._progress is not None:
            self._progress("clips", self.counts.total() / len(self._clips))
