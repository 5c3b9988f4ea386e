"""Soundtracks for many clips, by worker processes or a Ray cluster; what is done stays done whatever happens.

`run_batch(folder, out)` takes every clip of a folder or list and keeps one line on each in `OUT/manifest.jsonl`.
"""

from __future__ import annotations

from kinebeat.batch.run import BatchResult, run_batch
from kinebeat.batch.settings import BatchSettings

__all__ = ["BatchResult", "BatchSettings", "run_batch"]
