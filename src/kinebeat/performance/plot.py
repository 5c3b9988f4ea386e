"""Draws a performance: a roll of the notes under the movement of the hands, on the film's time axis.

The look, and how long films are wrapped, is that of `kinebeat.plot`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinebeat.performance.sight import hand_speeds
from kinebeat.plot import ACCENT, BEAT, GRID, INK, SOFT, WAVE, new_page, write_page

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from kinebeat.performance.notes import Notes
    from kinebeat.pose.track import PoseTrack

ROWS = (("left hand", 0.7), ("right hand", 0.7), ("notes", 3.6), ("sound", 0.8))
HANDS = (("left hand", BEAT), ("right hand", ACCENT))
NOTE, UNSEEN, BLACK_ROW = "#24695c", "#ebedf1", "#f4f5f8"
KEY_IN = 0.22
LEAST_SPAN = 24  # semitones that the roll shows at least
MARGIN = 1.5
_BLACK = (1, 3, 6, 8, 10)


def plot_performance(
    path: str | Path,
    track: PoseTrack,
    notes: Notes,
    duration_s: float,
    *,
    outline: NDArray[np.float32],
    title: str = "",
    note: str = "",
) -> None:
    """Draw a performance to a PNG.

    Args:
        path: the file; wrap in `kinebeat.files.atomic_output` to have it appear whole.
        track: the player, in the layout `body25_hands`.
        notes: what is heard.
        duration_s: length of the film.
        outline: (P, 2) lowest and highest sample in P equal stretches of the film (`kinebeat.audio.envelope`).
        title: above it all, such as the film's name and instrument.
        note: below it all, such as how much of the hands is seen.
    """
    duration_s = max(duration_s, 0.1)
    figure, lines = new_page(duration_s, ROWS, KEY_IN)
    speeds = hand_speeds(track)
    seen = speeds[np.isfinite(speeds)]
    top = 1.25 * float(np.percentile(seen, 99)) or 1.0 if len(seen) else 1.0
    loudest = max(float(np.abs(outline).max(initial=0)), 1e-3)
    for line in lines:
        for number, (_, colour) in enumerate(HANDS):
            _draw_hand(line.axes[number], track.times_s, speeds[:, number], colour, top, line.span)
        _draw_roll(line.axes[2], notes, line.span)
        _draw_sound(line.axes[3], outline, duration_s, loudest, line.span)
        for ax in line.axes:
            _draw_seconds(ax, line.span, duration_s)
    _draw_key(lines[0].axes[0])
    write_page(figure, path, title, note)


def _draw_hand(
    ax: Axes,
    times_s: NDArray[np.float64],
    speed: NDArray[np.float32],
    colour: str,
    top: float,
    span: tuple[float, float],
) -> None:
    """How fast the fingers move; grey where the hand is not seen."""
    near = (times_s >= span[0] - 1) & (times_s <= span[1] + 1)
    times_s, speed = times_s[near], speed[near]
    values = np.clip(speed, 0, 1.02 * top)
    ax.fill_between(times_s, values, color=colour, alpha=0.18, linewidth=0)
    ax.plot(times_s, values, color=colour, linewidth=0.9)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.isnan(speed).astype(int), [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        begin_s, end_s = times_s[max(first - 1, 0)], times_s[min(last, len(times_s) - 1)]
        ax.axvspan(max(begin_s, span[0]), max(min(end_s, span[1]), span[0]), color=UNSEEN, linewidth=0, zorder=-1)
    ax.set_xlim(*span)
    ax.set_ylim(0, 1.05 * top)


def _draw_roll(ax: Axes, notes: Notes, span: tuple[float, float]) -> None:
    """A piano roll: black keys are grey, all Cs have a line; the stronger a note, the darker."""
    low, high = (int(notes.pitch.min()), int(notes.pitch.max())) if len(notes) else (60, 60)
    wider = max(0, LEAST_SPAN - (high - low)) / 2
    bottom, top = low - wider - MARGIN, high + wider + MARGIN
    for pitch in range(int(bottom), int(top) + 2):
        if pitch % 12 in _BLACK:
            ax.axhspan(pitch - 0.5, pitch + 0.5, color=BLACK_ROW, linewidth=0, zorder=-1)
    shown = (notes.onset_s < span[1]) & (notes.offset_s > max(span[0], 0))
    red, green, blue = (int(NOTE[i : i + 2], 16) / 255 for i in (1, 3, 5))
    colours = [(red, green, blue, 0.4 + 0.6 * float(velocity) / 127) for velocity in notes.velocity[shown]]
    begin, length = notes.onset_s[shown], (notes.offset_s - notes.onset_s)[shown]
    ax.barh(notes.pitch[shown], length, 0.8, begin, color=colours, linewidth=0)
    ax.vlines(begin, notes.pitch[shown] - 0.4, notes.pitch[shown] + 0.4, colors=INK, linewidth=0.8)
    ax.set_xlim(*span)
    ax.set_ylim(bottom, top)
    cs = [pitch for pitch in range(0, 128, 12) if bottom <= pitch <= top]
    ax.set_yticks(cs, [f"C{pitch // 12 - 1}" for pitch in cs])
    for pitch in cs:
        ax.axhline(pitch - 0.5, color=GRID, linewidth=0.8, zorder=0)


def _draw_sound(
    ax: Axes, outline: NDArray[np.float32], duration_s: float, loudest: float, span: tuple[float, float]
) -> None:
    """The waveform's outline."""
    times_s = (np.arange(len(outline)) + 0.5) * duration_s / max(len(outline), 1)
    shown = (times_s >= span[0] - 0.1) & (times_s <= span[1] + 0.1)
    ax.fill_between(times_s[shown], outline[shown, 0], outline[shown, 1], color=WAVE, linewidth=0.4, edgecolor=WAVE)
    ax.set_xlim(*span)
    ax.set_ylim(-1.05 * loudest, 1.05 * loudest)


def _draw_seconds(ax: Axes, span: tuple[float, float], duration_s: float) -> None:
    """A line where the axis has its numbers: nothing here has beats."""
    for tick_s in ax.get_xticks():
        if max(span[0], 0) <= tick_s <= min(span[1], duration_s):
            ax.axvline(tick_s, color=GRID, linewidth=0.7, zorder=0)


def _draw_key(ax: Axes) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks = [
        *(
            Line2D([], [], color=colour, linewidth=1.5, label=f"speed of the {name}'s fingers")
            for name, colour in HANDS
        ),
        Line2D([], [], color=NOTE, linewidth=4, label="note"),
        Patch(facecolor=UNSEEN, edgecolor=SOFT, linewidth=0.4, label="hand not seen"),
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
