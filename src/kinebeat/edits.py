"""Edits by hand: beats and accents that were heard are moved or deleted, accents are added.

An edit names a beat or an accent by the time at which it was heard, before any edit; so edits can be given in any
order, and the same edits go with another seed or density. Beats are where they are heard at one tempo.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kinebeat.accents import Accents
from kinebeat.beats.grid import BEATS_PER_BAR
from kinebeat.errors import InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from kinebeat.beats.grid import BeatGrid

SAME_S = 0.005
"""How near to where it was heard a beat or accent has to be named."""
CLOSEST_BEATS_S = 0.15
"""A beat that is moved stays so far from its neighbours."""
ADDED_STRENGTH = 0.8
EDGE_S = 0.001
"""An accent by hand is at least so far inside the clip, so that rounding does not take it out."""
_REMEDY = 'give a list of {"what": "beat" or "accent", "at_s": seconds or null, "to_s": seconds or null}'


@dataclass(frozen=True)
class Edit:
    """One change by hand.

    Attributes:
        what: "beat" or "accent".
        at_s: when it was heard, seconds of the clip; None adds an accent.
        to_s: where it goes, seconds of the clip; None deletes it.
    """

    what: Literal["beat", "accent"]
    at_s: float | None
    to_s: float | None


def read_edits(content: Any) -> tuple[Edit, ...]:
    """Edits from what JSON holds, a list of objects with `what`, `at_s` and `to_s`.

    Raises:
        OptionError: it is something else, or an edit cannot be.
    """
    if not isinstance(content, list):
        raise OptionError(f"edits: expected a list, got {type(content).__name__}; {_REMEDY}")
    edits = []
    for number, one in enumerate(content, 1):
        if not isinstance(one, dict) or set(one) != {"what", "at_s", "to_s"}:
            raise OptionError(f"edit {number}: expected what, at_s and to_s; {_REMEDY}")
        for name in ("at_s", "to_s"):
            if one[name] is not None and (isinstance(one[name], bool) or not isinstance(one[name], int | float)):
                raise OptionError(f"edit {number}: {name} is no number; {_REMEDY}")
        try:
            edits.append(Edit(one["what"], *(None if one[n] is None else float(one[n]) for n in ("at_s", "to_s"))))
        except OverflowError as error:
            raise OptionError(f"edit {number}: a number is too large; {_REMEDY}") from error
    check_edits(edits)
    return tuple(edits)


def load_edits(path: str | Path) -> tuple[Edit, ...]:
    """Edits from a JSON file; see `read_edits`.

    Raises:
        InputError: it cannot be read or holds something else.
    """
    try:
        return read_edits(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the name and the folder") from error
    except (ValueError, RecursionError) as error:
        raise InputError(path, "is no JSON", _REMEDY) from error
    except OptionError as error:
        problem, _, remedy = str(error).partition("; ")
        raise InputError(path, problem, remedy) from error


def told_edits(edits: Iterable[Edit]) -> list[dict[str, Any]]:
    """Edits as JSON takes them; `read_edits` reads them again."""
    return [asdict(edit) for edit in edits]


def check_edits(edits: Sequence[Edit]) -> None:
    """See whether each edit can be, whatever was heard.

    Raises:
        OptionError: one is of something else, is nowhere, adds a beat, or one beat or accent is edited twice.
    """
    named = set()
    for edit in edits:
        if edit.what not in ("beat", "accent"):
            raise OptionError(f"an edit of {edit.what!r}: expected 'beat' or 'accent'; {_REMEDY}")
        if not all(math.isfinite(time_s) for time_s in (edit.at_s, edit.to_s) if time_s is not None):
            raise OptionError(f"an edit of {_a(edit.what)} at no time; give seconds")
        if edit.at_s is None and edit.to_s is None:
            raise OptionError(f"an edit of {_a(edit.what)} without a time; say which, or where it is to go")
        if edit.at_s is None and edit.what == "beat":
            raise OptionError("a beat cannot be added; move or delete one, or fix another tempo")
        if edit.at_s is not None and (edit.what, edit.at_s) in named:
            raise OptionError(f"the {edit.what} at {edit.at_s:.3f} s is edited twice; keep one of the edits")
        named.add((edit.what, edit.at_s))


def edited_beats(grid: BeatGrid, edits: Sequence[Edit], duration_s: float) -> tuple[BeatGrid, NDArray[np.float64]]:
    """The grid with its beats as they were put by hand; in whole bars that cover the clip, as before.

    A beat that is deleted makes one interval of two, and all later beats have another place in their bar.

    Args:
        grid: the beats as they were heard.
        edits: those of accents are left alone.
        duration_s: length of the clip.

    Returns:
        The grid, and when each of its beats was heard: (B,) seconds, NaN for those that were only added to fill a bar.

    Raises:
        OptionError: there is no such beat, or it cannot go there.
    """
    ours = [edit for edit in edits if edit.what == "beat"]
    if not ours:
        return grid, grid.beats_s
    heard_s = grid.beats_s
    first, last = heard_s[1] - heard_s[0], heard_s[-1] - heard_s[-2]
    # A bar more at either end, so that the outermost beats have neighbours too.
    bar, unheard = np.arange(BEATS_PER_BAR), np.full(BEATS_PER_BAR, np.nan)
    beats_s = np.concatenate([heard_s[0] + first * (bar - BEATS_PER_BAR), heard_s, heard_s[-1] + last * (bar + 1)])
    was_s = np.concatenate([unheard, heard_s, unheard])
    kept, moved = np.ones(len(beats_s), bool), np.zeros(len(beats_s), bool)
    for edit, place in zip(ours, _places(ours, heard_s), strict=True):
        i = place + BEATS_PER_BAR
        kept[i] = edit.to_s is not None
        moved[i] = edit.to_s is not None
        beats_s[i] = beats_s[i] if edit.to_s is None else edit.to_s
    beats_s, was_s, moved = beats_s[kept], was_s[kept], moved[kept]
    near = np.flatnonzero((moved[1:] | moved[:-1]) & (np.diff(beats_s) < CLOSEST_BEATS_S - 1e-9))
    if len(near):
        i = int(near[0]) + (0 if moved[near[0]] else 1)
        raise OptionError(
            f"the beat at {was_s[i]:.3f} s cannot go to {beats_s[i]:.3f} s: "
            f"it has to stay {CLOSEST_BEATS_S:g} s away from the beats beside it; move it less"
        )
    if not ((beats_s >= 0) & (beats_s < duration_s)).any() and ((heard_s >= 0) & (heard_s < duration_s)).any():
        raise OptionError("no beat would be left in the clip; keep at least one")
    missing = -(len(beats_s) - 1) % BEATS_PER_BAR
    beats_s = np.concatenate([beats_s, beats_s[-1] + last * np.arange(1, missing + 1)])
    was_s = np.concatenate([was_s, np.full(missing, np.nan)])
    begin, end = 0, len(beats_s)
    while end - begin > BEATS_PER_BAR + 1 and beats_s[begin + BEATS_PER_BAR] <= 0:
        begin += BEATS_PER_BAR
    while end - begin > BEATS_PER_BAR + 1 and beats_s[end - 1 - BEATS_PER_BAR] >= duration_s:
        end -= BEATS_PER_BAR
    return replace(grid, beats_s=beats_s[begin:end]), was_s[begin:end]


def edited_accents(
    accents: Accents, everything: Accents, edits: Sequence[Edit], duration_s: float
) -> tuple[Accents, NDArray[np.float64], NDArray[np.bool_]]:
    """Accents as they were put by hand.

    Args:
        accents: those that are played.
        everything: all that were heard; what is done to one that is not played, as a low density leaves it out, changes
            nothing.
        edits: those of beats are left alone.
        duration_s: length of the clip.

    Returns:
        The accents; when each was heard, (N,) seconds, NaN for those that were added; which were moved or added, (N,).

    Raises:
        OptionError: there is no such accent, or one is to go where there is no clip.
    """
    ours = [edit for edit in edits if edit.what == "accent"]
    times_s, strength = accents.times_s.copy(), accents.strength
    was_s, by_hand = accents.times_s, np.zeros(len(times_s), bool)
    if not ours:
        return accents, was_s, by_hand
    for edit in ours:
        if edit.to_s is not None and not 0 <= edit.to_s < duration_s:
            raise OptionError(
                f"an accent cannot go to {edit.to_s:.3f} s: the clip lasts {duration_s:.3f} s; put it into the clip"
            )
    kept = np.ones(len(times_s), bool)
    named = [edit for edit in ours if edit.at_s is not None]
    for edit, place in zip(named, _places(named, everything.times_s), strict=True):
        for i in np.flatnonzero(was_s == everything.times_s[place]):
            kept[i] = edit.to_s is not None
            by_hand[i] = edit.to_s is not None
            times_s[i] = times_s[i] if edit.to_s is None else edit.to_s
    added_s = np.array([edit.to_s for edit in ours if edit.at_s is None and edit.to_s is not None], np.float64)
    times_s = np.concatenate([times_s[kept], added_s])
    by_hand = np.concatenate([by_hand[kept], np.ones(len(added_s), bool)])
    times_s[by_hand] = np.clip(times_s[by_hand], EDGE_S, duration_s - EDGE_S)
    strength = np.concatenate([strength[kept], np.full(len(added_s), ADDED_STRENGTH, np.float32)])
    was_s = np.concatenate([was_s[kept], np.full(len(added_s), np.nan)])
    order = np.argsort(times_s, kind="stable")
    return Accents(times_s[order], strength[order]), was_s[order], by_hand[order]


def check_apart(grid: BeatGrid, by_hand_s: NDArray[np.float64]) -> None:
    """Refuse two accents by hand on one 16th, of which only one could be heard.

    Raises:
        OptionError: there are two.
    """
    step = np.floor(grid.step(by_hand_s) + 0.5)
    same = np.flatnonzero(np.diff(step) == 0)
    if len(same):
        one_s, other_s = by_hand_s[same[0]], by_hand_s[same[0] + 1]
        raise OptionError(
            f"the accents put at {one_s:.3f} s and {other_s:.3f} s are on one sixteenth and cannot both be heard; "
            "keep them further apart"
        )


def _places(edits: Sequence[Edit], heard_s: NDArray[np.float64]) -> list[int]:
    """Which of the times heard each edit names; all are of one kind."""
    places: list[int] = []
    for edit in edits:
        at_s = math.nan if edit.at_s is None else edit.at_s
        place = int(np.argmin(np.abs(heard_s - at_s))) if len(heard_s) else -1
        if place < 0 or not abs(heard_s[place] - at_s) <= SAME_S:
            why = "; the tempo may be another than when it was edited" if edit.what == "beat" else ""
            raise OptionError(f"no {edit.what} was heard at {at_s:.3f} s{why}; leave that edit out")
        if place in places:
            raise OptionError(f"the {edit.what} at {at_s:.3f} s is edited twice; keep one of the edits")
        places.append(place)
    return places


def _a(what: str) -> str:
    return "an accent" if what == "accent" else f"a {what}"
