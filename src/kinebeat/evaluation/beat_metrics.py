"""How well beats heard in movement agree with the music's, beside what chance and a metronome reach.

Conventions: beats are times in seconds, increasing. Figures are those of `mir_eval.beat`: F within 70 ms, Cemgil with
sigma = 40 ms, and the continuity scores at the correct (CML) or any (AML: double, half, off-beat) metrical level, over
the longest unbroken stretch (c) or in total (t). Music researchers leave the first five seconds of a piece out; clips
of dance are short and nobody taps along before they start, so here nothing is left out unless `trim_s` says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Beats = NDArray[np.float64]

FIGURES = ("f", "cemgil", "cmlc", "cmlt", "amlc", "amlt")
F_WINDOW_S = 0.070
LONGEST_LAG_S = 0.250
LAG_STEP_S = 0.005
TEMPO_TOLERANCE = 0.04
SHIFTS = 100
DRAWS = 100


def beat_figures(reference_s: ArrayLike, estimated_s: ArrayLike, *, trim_s: float = 0.0) -> dict[str, float]:
    """All figures of one clip, each in [0, 1]; 0 where either side has no beats, or one alone where two are needed.

    Args:
        reference_s: (R,) the music's beats.
        estimated_s: (E,) the beats heard.
        trim_s: beats of both before this time do not count.

    Returns:
        One number for each of `FIGURES`.

    Raises:
        OptionError: times are not finite.
    """
    from mir_eval import beat

    reference, estimated = (b[b >= trim_s] if trim_s > 0 else b for b in map(_beats, (reference_s, estimated_s)))
    if not len(reference) or not len(estimated):
        return dict.fromkeys(FIGURES, 0.0)
    f = beat.f_measure(reference, estimated, F_WINDOW_S)
    cemgil = beat.cemgil(reference, estimated)[0]
    # mir_eval warns where there is no interval to compare.
    levels = beat.continuity(reference, estimated) if min(len(reference), len(estimated)) > 1 else (0.0,) * 4
    return {name: float(value) for name, value in zip(FIGURES, (f, cemgil, *levels), strict=True)}


def f_measure(reference_s: ArrayLike, estimated_s: ArrayLike) -> float:
    """F alone, the same number as `mir_eval`'s and many times quicker.

    In increasing order the first beat within reach is always as good a partner as any, so no search is needed.
    """
    reference, estimated = _beats(reference_s), _beats(estimated_s)
    matched = i = j = 0
    while i < len(reference) and j < len(estimated):
        away = estimated[j] - reference[i]
        if abs(away) <= F_WINDOW_S:
            matched, i, j = matched + 1, i + 1, j + 1
        elif away < 0:
            j += 1
        else:
            i += 1
    return 2 * matched / (len(reference) + len(estimated)) if matched else 0.0


def after_lag(
    references: Sequence[ArrayLike], estimates: Sequence[ArrayLike], *, longest_s: float = LONGEST_LAG_S
) -> tuple[float, dict[str, float]]:
    """The one constant lag of the estimates behind the references that gives the best mean F, and the figures then.

    The lag is the same for all clips, and found by looking at the references: this says how good the beats are but
    for a constant, and flatters whatever has the right tempo, the more so the fewer the clips. Show the same of a
    metronome beside it.

    Args:
        references: the music's beats of each clip.
        estimates: the beats heard in each clip.
        longest_s: how far to look in either direction.

    Returns:
        The lag in seconds, positive where the estimates come late, and means over the clips. Among lags of equal F it
        is that of the best Cemgil score, then the shortest.
    """
    pairs = [(_beats(r), _beats(e)) for r, e in zip(references, estimates, strict=True)]
    steps = round(longest_s / LAG_STEP_S)
    lags = np.arange(-steps, steps + 1) * LAG_STEP_S
    if not pairs:
        return 0.0, dict.fromkeys(FIGURES, 0.0)
    f = np.array([np.mean([f_measure(r, e - lag) for r, e in pairs]) for lag in lags])
    level = lags[f >= f.max() - 1e-12]
    near = np.array([np.mean([_cemgil(r, e - lag) for r, e in pairs]) for lag in level])
    level = level[near >= near.max() - 1e-9]
    lag = float(level[np.argmin(np.abs(level))])
    return lag, mean([beat_figures(r, e - lag) for r, e in pairs])


def reference_tempo_bpm(reference_s: ArrayLike) -> float:
    """Tempo of the straight line through the beats (least squares); NaN with fewer than two."""
    beats_s = _beats(reference_s)
    if len(beats_s) < 2:
        return float("nan")
    return float(60 / np.polyfit(np.arange(len(beats_s)), beats_s, 1)[0])


def tempo_figures(reference_s: ArrayLike, estimated_bpm: float) -> dict[str, float]:
    """Whether a tempo is within 4 % of the references', as it is, and with half and double allowed; 1 or 0."""
    ratio = estimated_bpm / reference_tempo_bpm(reference_s)
    near = {octave: bool(abs(ratio / octave - 1) <= TEMPO_TOLERANCE) for octave in (0.5, 1.0, 2.0)}
    return {"tempo_within_4pct": float(near[1.0]), "tempo_within_4pct_octave": float(any(near.values()))}


def shift_null(
    reference_s: ArrayLike,
    estimated_s: ArrayLike,
    rng: np.random.Generator,
    shifts: int = SHIFTS,
    *,
    duration_s: float | None = None,
    reach_s: float | None = None,
) -> dict[str, float]:
    """What the same beats score when they are shifted at random: right as to tempo, of no particular phase.

    Args:
        reference_s: the music's beats.
        estimated_s: the beats heard.
        rng: source of the shifts.
        shifts: how many.
        duration_s: circle on which the beats are shifted; up to the last beat of either side if None.
        reach_s: longest shift in either direction; half of the estimate's median period if None.

    Returns:
        For each of `FIGURES` NAME_null and NAME_null_sd, mean and standard deviation over shifts, and NAME_z, how many
        such deviations the unshifted score is above that mean (NaN where the null does not vary).
    """
    return pooled_shift_null([reference_s], [estimated_s], rng, shifts, durations_s=[duration_s], reach_s=reach_s)


def pooled_shift_null(
    references: Sequence[ArrayLike],
    estimates: Sequence[ArrayLike],
    rng: np.random.Generator,
    shifts: int = SHIFTS,
    *,
    durations_s: Sequence[float | None] | None = None,
    reach_s: float | None = None,
) -> dict[str, float]:
    """As `shift_null`, for means over several clips, each of which is shifted on its own."""
    pairs = [(_beats(r), _beats(e)) for r, e in zip(references, estimates, strict=True)]
    durations = [None] * len(pairs) if durations_s is None else list(durations_s)
    own = mean([beat_figures(r, e) for r, e in pairs])
    draws = [
        mean([beat_figures(r, shifted(e, rng, d, reach_s)) for (r, e), d in zip(pairs, durations, strict=True)])
        for _ in range(shifts)
    ]
    out: dict[str, float] = {}
    for name in own:
        values = np.array([draw[name] for draw in draws])
        level, spread = float(values.mean()), float(values.std())
        out |= {f"{name}_null": level, f"{name}_null_sd": spread}
        out[f"{name}_z"] = (own[name] - level) / spread if spread > 1e-12 else float("nan")
    return out


def shifted(
    estimated_s: ArrayLike, rng: np.random.Generator, duration_s: float | None = None, reach_s: float | None = None
) -> Beats:
    """Beats moved together by up to `reach_s` either way; what leaves the circle at one end comes in at the other."""
    beats_s = _beats(estimated_s)
    period_s = float(np.median(np.diff(beats_s))) if len(beats_s) > 1 else 1.0
    reach = period_s / 2 if reach_s is None else reach_s
    circle_s = duration_s if duration_s is not None else (beats_s[-1] + period_s / 2 if len(beats_s) else 1.0)
    return np.sort((beats_s + rng.uniform(-reach, reach)) % circle_s)


def metronome_beats(reference_s: ArrayLike, duration_s: float, rng: np.random.Generator) -> Beats:
    """Beats through a clip at exactly the references' tempo, of random phase; none where there is no tempo."""
    tempo_bpm = reference_tempo_bpm(reference_s)
    if not np.isfinite(tempo_bpm):
        return np.zeros(0)
    period_s = 60 / tempo_bpm
    return np.arange(rng.uniform(0, period_s), duration_s, period_s)


def metronome(
    reference_s: ArrayLike, duration_s: float, rng: np.random.Generator, draws: int = DRAWS
) -> dict[str, float]:
    """Mean figures, over random phases, of a metronome that knows the tempo and nothing else."""
    return mean([beat_figures(reference_s, metronome_beats(reference_s, duration_s, rng)) for _ in range(draws)])


def mean(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each figure over those that have it; what is NaN does not count."""
    return {name: _mean_and_sd(figures, name)[0] for name in _names(figures)}


def mean_and_spread(figures: Sequence[Mapping[str, float]], over: str) -> dict[str, float]:
    """Mean NAME and standard deviation NAME_sd_OVER of each figure."""
    out = {}
    for name in _names(figures):
        out[name], out[f"{name}_sd_{over}"] = _mean_and_sd(figures, name)
    return out


def over_seeds(figures: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, float]:
    """Figures of several seeds of one model on the same clips.

    Args:
        figures: of each seed, of each clip.

    Returns:
        NAME, mean over seeds and clips; NAME_sd_seeds, deviation of the seeds' means (sample deviation; left out with
        one seed); NAME_sd_clips, deviation over clips of what a seed says of them, mean over seeds.
    """
    each = [mean_and_spread(clips, "clips") for clips in figures]
    out = mean(each)
    if len(each) > 1:
        for name in _names([f for clips in figures for f in clips]):
            out[f"{name}_sd_seeds"] = float(np.std([one[name] for one in each], ddof=1))
    return out


def auc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Area under the ROC curve: how often a positive is above a negative, ties half; NaN where a side is empty."""
    above, below = np.asarray(positive, float), np.asarray(negative, float)
    if not len(above) or not len(below):
        return float("nan")
    difference = above[:, None] - below
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def _beats(times_s: ArrayLike) -> Beats:
    beats_s = np.sort(np.asarray(times_s, np.float64).ravel())
    if not np.isfinite(beats_s).all():
        raise OptionError("beat times: expected finite seconds")
    return beats_s


def _cemgil(reference: Beats, estimated: Beats) -> float:
    """Cemgil's score as `mir_eval` has it, without the variations it also tries."""
    if not len(reference) or not len(estimated):
        return 0.0
    away = np.abs(reference[:, None] - estimated).min(1)
    return float(np.exp(-(away**2) / (2 * 0.04**2)).sum() / (0.5 * (len(reference) + len(estimated))))


def _names(figures: Sequence[Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for one in figures for name in one))


def _mean_and_sd(figures: Sequence[Mapping[str, float]], name: str) -> tuple[float, float]:
    values = np.array([one[name] for one in figures if name in one], float)
    values = values[np.isfinite(values)]
    return (float(values.mean()), float(values.std())) if len(values) else (float("nan"), float("nan"))
