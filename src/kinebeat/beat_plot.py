"""Draws what is heard in a movement: speed, braking, beat activation and the beats on one time axis.

The look, and how long clips are wrapped, is that of `kinebeat.plot`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.motion import MOTION_FPS
from kinebeat.plot import ACCENT, BEAT, GRID, INK, SOFT, WAVE, Curve, beats_shown, new_page, write_page

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from kinebeat.accents import Accents
    from kinebeat.beats.grid import BeatGrid
    from kinebeat.motion import Motion

ROWS = (("speed", 1.1), ("braking", 1.3), ("activation", 1.0), ("beats", 0.45))
ACTIVATION = "#3f8f5f"
UNSEEN = "#ebedf1"
KEY_IN = 0.22


def plot_beats(
    path: str | Path,
    motion: Motion,
    grid: BeatGrid,
    duration_s: float,
    *,
    accents: Accents,
    activation: NDArray[np.float64],
    title: str = "",
    note: str = "",
) -> None:
    """Draw beats and what they were heard in to a PNG.

    Args:
        path: the file; wrap in `kinebeat.files.atomic_output` to have it appear whole.
        motion: the movement.
        grid: the beats.
        duration_s: length of the clip.
        accents: where the movement lands.
        activation: (T,) in [0, 1] at `MOTION_FPS`, how likely a beat is; the beats need not come from it.
        title: above it all, such as the clip's name and tempo.
        note: below it all, such as a warning.
    """
    duration_s = max(duration_s, 0.1)
    figure, lines = new_page(duration_s, ROWS, KEY_IN)
    # A gap in the curves, not a fall to nothing, where nobody is seen.
    speed, braking = (np.where(motion.present, curve, np.nan) for curve in (motion.speed, motion.deceleration))
    rows = (
        (Curve(motion.times_s, speed, "speed of the joints"), WAVE),
        (Curve(motion.times_s, braking, "how hard they brake"), BEAT),
        (Curve(np.arange(len(activation)) / MOTION_FPS, activation.astype(np.float32), "beat activation"), ACTIVATION),
    )
    tops = [_top(curve.values) for curve, _ in rows[:2]] + [1.0]
    for line in lines:
        for ax, (curve, colour), top in zip(line.axes, rows, tops, strict=False):
            _draw_curve(ax, curve, colour, top, line.span)
            _draw_unseen(ax, motion, line.span)
        _draw_accents(line.axes[1], rows[1][0], accents, tops[1], line.span)
        for ax in line.axes[:3]:
            _draw_beats(ax, grid, line.span, duration_s)
        _draw_marks(line.axes[3], grid, line.span, duration_s)
        line.axes[2].axhline(0, color=GRID, linewidth=0.6)
    _draw_key(lines[0].axes[0])
    write_page(figure, path, title, note)


def _top(values: NDArray[np.float32]) -> float:
    """Height of a row: nearly all of the curve fits, and one leap does not make the rest small."""
    seen = values[np.isfinite(values)]
    return 1.25 * float(np.percentile(seen, 99.5)) or 1.0 if len(seen) else 1.0


def _draw_curve(ax: Axes, curve: Curve, colour: str, top: float, span: tuple[float, float]) -> None:
    near = (curve.times_s >= span[0] - 1) & (curve.times_s <= span[1] + 1)
    values = np.clip(curve.values[near], 0, 1.02 * top)
    ax.fill_between(curve.times_s[near], values, color=colour, alpha=0.18, linewidth=0)
    ax.plot(curve.times_s[near], values, color=colour, linewidth=0.9)
    ax.set_ylim(0, 1.05 * top)


def _draw_unseen(ax: Axes, motion: Motion, span: tuple[float, float]) -> None:
    """Grey where nobody is seen."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (~motion.present).astype(int), [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        begin_s, end_s = first / MOTION_FPS, last / MOTION_FPS
        if begin_s < span[1] and end_s > span[0]:
            ax.axvspan(max(begin_s, span[0]), min(end_s, span[1]), color=UNSEEN, linewidth=0, zorder=-1)


def _draw_accents(ax: Axes, braking: Curve, accents: Accents, top: float, span: tuple[float, float]) -> None:
    """A dot on every accent, the larger the stronger."""
    here = (accents.times_s >= span[0]) & (accents.times_s <= span[1])
    times_s = accents.times_s[here]
    height = np.interp(times_s, braking.times_s, np.nan_to_num(braking.values)) if len(braking.values) else times_s
    size = 5 + 34 * accents.strength[here]
    ax.scatter(times_s, np.clip(height, 0, top), s=size, c=ACCENT, linewidths=0, zorder=3)


def _draw_beats(ax: Axes, grid: BeatGrid, span: tuple[float, float], duration_s: float) -> None:
    across = ax.get_xaxis_transform()
    downbeats_s, others_s = beats_shown(grid, span, duration_s)
    ax.vlines(downbeats_s, 0, 1, colors=INK, linewidth=0.9, alpha=0.75, transform=across, zorder=2)
    ax.vlines(others_s, 0, 1, colors=SOFT, linewidth=0.7, alpha=0.75, transform=across, zorder=2)


def _draw_marks(ax: Axes, grid: BeatGrid, span: tuple[float, float], duration_s: float) -> None:
    """The beats alone, as a listener would count them."""
    downbeats_s, others_s = beats_shown(grid, span, duration_s)
    ax.scatter(others_s, np.zeros(len(others_s)), s=14, c=SOFT, linewidths=0)
    ax.scatter(downbeats_s, np.zeros(len(downbeats_s)), s=42, c=INK, linewidths=0)
    ax.set_ylim(-1, 1)


def _draw_key(ax: Axes) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks = [
        Line2D([], [], color=ACCENT, marker="o", linestyle="", markersize=5, label="accent of the movement"),
        Line2D([], [], color=SOFT, linewidth=1, label="beat"),
        Line2D([], [], color=INK, linewidth=1.2, label="downbeat"),
        Patch(facecolor=UNSEEN, edgecolor=GRID, label="nobody seen"),
    ]
    ax.legend(
        handles=marks,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=4,
        fontsize=8,
        frameon=False,
        borderaxespad=0.1,
        labelcolor=INK,
    )
