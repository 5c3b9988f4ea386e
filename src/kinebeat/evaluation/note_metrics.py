"""How well notes agree with those that were really played.

A note said and a note played are the same if their onsets are within 100 ms of each other (the truth of the piano
films lies on a grid of 50 ms) and, in three steps, nothing more is asked ("onset"), or the same pitch class ("class",
whatever the octave), or the same pitch ("pitch"). Each note is matched once at most, and as many are as can be, as
`mir_eval.transcription` does it without offsets. Lengths and velocities are not scored: the truth does not know them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kinebeat.performance.notes import Notes

WINDOW_S = 0.100
_ROUNDING_S = 5e-5
"""`mir_eval` rounds distances to four decimals, so that what is written as 100 ms is within 100 ms."""
KINDS: dict[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]] = {
    "onset": np.zeros_like,
    "pitch": lambda pitch: pitch,
    "class": lambda pitch: pitch % 12,
}
"""What is asked of two notes beside their onsets: that this of their pitches be equal."""
FIGURES = (*(f"{kind}_{figure}" for kind in KINDS for figure in ("f", "precision", "recall")), "density_ratio")


def note_figures(played: Notes, said: Notes, *, window_s: float = WINDOW_S) -> dict[str, float]:
    """All figures of one clip.

    Args:
        played: the truth.
        said: what is scored.
        window_s: how far apart onsets may be.

    Returns:
        One number for each of `FIGURES`: F, precision and recall for each of `KINDS`, all in [0, 1] and 0 where either
        side has no notes; and `density_ratio`, notes said for every note played, NaN where none was played.

    Raises:
        OptionError: onsets are not finite.
    """
    for notes in (played, said):
        if not np.isfinite(notes.onset_s).all():
            raise OptionError("onsets of notes: expected finite seconds")
    figures: dict[str, float] = {}
    for kind, part in KINDS.items():
        hits = matched(played.onset_s, part(played.pitch), said.onset_s, part(said.pitch), window_s)
        figures[f"{kind}_f"] = 2 * hits / (len(played) + len(said)) if hits else 0.0
        figures[f"{kind}_precision"] = hits / len(said) if hits else 0.0
        figures[f"{kind}_recall"] = hits / len(played) if hits else 0.0
    figures["density_ratio"] = len(said) / len(played) if len(played) else float("nan")
    return figures


def matched(
    played_s: NDArray[np.float64],
    played_kind: NDArray[np.int64],
    said_s: NDArray[np.float64],
    said_kind: NDArray[np.int64],
    window_s: float = WINDOW_S,
) -> int:
    """How many notes can be matched one to one, those of a kind with each other, with onsets within the window.

    Among notes of one kind in order of time the first within reach is as good a partner as any, so no search is
    needed, and kinds do not meet: the number is that of `mir_eval`'s maximum matching.

    Args:
        played_s: (R,) onsets.
        played_kind: (R,) what must be equal.
        said_s: (E,) onsets.
        said_kind: (E,) what must be equal.
        window_s: how far apart onsets may be.
    """
    hits = 0
    for kind in np.intersect1d(played_kind, said_kind):
        hits += _matched_in_order(np.sort(played_s[played_kind == kind]), np.sort(said_s[said_kind == kind]), window_s)
    return hits


def _matched_in_order(played_s: NDArray[np.float64], said_s: NDArray[np.float64], window_s: float) -> int:
    """The same for onsets in order of time, of one kind."""
    one, other = played_s.tolist(), said_s.tolist()
    reach = window_s + _ROUNDING_S
    hits = i = j = 0
    while i < len(one) and j < len(other):
        away = other[j] - one[i]
        if abs(away) <= reach:
            hits, i, j = hits + 1, i + 1, j + 1
        elif away < 0:
            j += 1
        else:
            i += 1
    return hits
