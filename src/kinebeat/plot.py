"""Draws a soundtrack: movement, beats, accents, rhythm, rolls of drums and notes, and waveform on one time axis.

The rows are those of RhythmicNet's figure 6 and one for each instrument with pitches. A long clip is wrapped into lines
like a page of music; `new_page` and `write_page` do that for any rows. Nothing here touches matplotlib's global state,
so drawing works in any thread and without a screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinebeat.beats.grid import BEATS_PER_BAR
from kinebeat.drums.kit import DRUMS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from kinebeat.beats.grid import BeatGrid
    from kinebeat.drums.track import DrumTrack
    from kinebeat.rhythm import Rhythm
    from kinebeat.score import Track

MOST_BEATS = 300  # on one line
LINE_S = 30.0  # seconds on one line of a wrapped plot
MOST_LINES = 12  # longer clips get longer lines
INCHES_PER_S = 0.62
INK, SOFT, GRID = "#22262e", "#7b8494", "#d9dde4"
BEAT, ACCENT, WAVE = "#2f6db3", "#d1495b", "#8a93a3"
DRUM_COLOURS = (
    "#b23a48",
    "#e07a3f",
    "#d9a51f",
    "#b8a43a",
    "#3f8f5f",
    "#3d9a94",
    "#3a7fb5",
    "#5c62b8",
    "#8a5aa8",
)
ROWS = (("movement", 2.2), ("rhythm", 0.8), ("drums", 2.4), ("sound", 1.0))
LANE_INCHES = 1.3
LANE_COLOURS = ("#24695c", "#8c4a1f")
LEAST_SPAN = 14  # semitones that a lane shows at least
# From the lowest sound to the highest, as drums are written.
ROLL_ORDER = (0, 1, 4, 5, 6, 2, 3, 8, 7)


@dataclass(frozen=True)
class Curve:
    """Something over time: `times_s` and `values`, both (T,), and its name."""

    times_s: NDArray[np.float64]
    values: NDArray[np.float32]
    name: str


@dataclass(frozen=True)
class Line:
    """One line of a page: its stretch of the clip, first and last second, and its rows from the top."""

    span: tuple[float, float]
    axes: list[Axes]


def plot(
    path: str | Path,
    *,
    duration_s: float,
    movement: Curve,
    accent_times_s: NDArray[np.float64],
    accent_strength: NDArray[np.float32],
    rhythm: Rhythm,
    drums: DrumTrack,
    others: Sequence[Track] = (),
    outline: NDArray[np.float32],
    title: str = "",
    note: str = "",
) -> None:
    """Draw a soundtrack to a PNG.

    Args:
        path: the file; wrap in `kinebeat.files.atomic_output` to have it appear whole.
        duration_s: length of the clip.
        movement: kinematic offsets, or how fast the person moves.
        accent_times_s: (N,) where the movement has accents.
        accent_strength: (N,) in [0, 1].
        rhythm: beats and accents on 16ths.
        drums: the hits.
        others: the tracks of instruments with pitches.
        outline: (P, 2) lowest and highest sample in P equal stretches of the clip (`kinebeat.audio.envelope`).
        title: above it all, such as the clip's name and tempo.
        note: below it all, such as the alignment score.
    """
    duration_s = max(duration_s, 0.1)
    lanes = [(track.name.lower(), LANE_INCHES) for track in others]
    figure, lines = new_page(duration_s, [*ROWS[:-1], *lanes, ROWS[-1]])
    top = float(np.percentile(movement.values, 99.5)) if len(movement.values) else 0.0
    loudest = max(float(np.abs(outline).max(initial=0)), 1e-3)
    for line in lines:
        _draw_movement(line.axes[0], movement, accent_times_s, accent_strength, top, line.span)
        _draw_rhythm(line.axes[1], rhythm, line.span)
        _draw_drums(line.axes[2], drums, line.span)
        for number, track in enumerate(others):
            _draw_notes(line.axes[3 + number], track, LANE_COLOURS[number % len(LANE_COLOURS)], line.span)
        _draw_sound(line.axes[-1], outline, duration_s, loudest, line.span)
        for ax in line.axes:
            draw_beats(ax, rhythm.grid, line.span, duration_s)
    _draw_key(lines[0].axes[0], movement)
    write_page(figure, path, title, note)


def new_page(duration_s: float, rows: Sequence[tuple[str, float]], head_in: float = 0.0) -> tuple[Figure, list[Line]]:
    """An empty page of as many lines as the clip needs.

    Args:
        duration_s: length of the clip.
        rows: name and height in inches of each row of a line, from the top.
        head_in: inches left free between the title and the first row.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines, line_s = _lines(duration_s)
    width = 1.7 + np.clip(line_s * INCHES_PER_S, 7.0, 26.0)
    height = sum(height for _, height in rows)
    figure = Figure(figsize=(width, 0.62 + head_in + lines * (height + 0.45)), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    page = []
    for number in range(lines):
        line = Line((number * line_s, (number + 1) * line_s), _line_axes(figure, rows, lines, number))
        for ax in line.axes:
            ax.set_xlim(*line.span)
        line.axes[-1].set_xlabel("seconds" if number == lines - 1 else "", color=INK)
        page.append(line)
    return figure, page


def write_page(figure: Figure, path: str | Path, title: str, note: str) -> None:
    """Write a page as PNG, with a line above it all and one below."""
    figure.suptitle(title, x=0.01, y=1 - 0.12 / figure.get_figheight(), ha="left", va="top", color=INK, fontsize=12)
    figure.text(0.01, 0.1 / figure.get_figheight(), note, ha="left", va="bottom", color=SOFT, fontsize=9)
    # A new file each time must differ only where the picture does: no date, no version.
    figure.savefig(str(path), format="png", metadata={"Software": None})


def _lines(duration_s: float) -> tuple[int, float]:
    """How many lines, and how many seconds on each."""
    if duration_s <= LINE_S * 1.34:
        return 1, duration_s
    lines = min(int(np.ceil(duration_s / LINE_S)), MOST_LINES)
    return lines, duration_s / lines


def _line_axes(figure: Figure, rows: Sequence[tuple[str, float]], lines: int, line: int) -> list[Axes]:
    """The rows of one line, one under the other."""
    width, height = figure.get_size_inches()
    total = sum(row for _, row in rows)
    below = 0.5 + (lines - 1 - line) * (total + 0.45) + 0.2
    axes: list[Axes] = []
    y = below + total
    for number, (name, row) in enumerate(rows):
        y -= row
        box = (1.35 / width, y / height, 1 - 1.55 / width, (row - 0.08) / height)
        ax = figure.add_axes(box)
        for side in ("top", "right", "left", "bottom"):
            ax.spines[side].set_visible(False)
        ax.tick_params(length=0, labelsize=8, colors=SOFT, labelbottom=number == len(rows) - 1)
        ax.set_ylabel(name, rotation=0, ha="right", va="center", color=INK, fontsize=9)
        ax.yaxis.set_label_coords(-1.22 / (width - 1.55), 0.5)
        ax.yaxis.label.set_horizontalalignment("left")
        ax.set_yticks([])
        axes.append(ax)
    return axes


def _draw_movement(
    ax: Axes,
    movement: Curve,
    times_s: NDArray[np.float64],
    strength: NDArray[np.float32],
    top: float,
    span: tuple[float, float],
) -> None:
    """Kinematic offsets with the accents found in them."""
    top = top or 1.0
    values = np.nan_to_num(np.clip(movement.values, 0, None))
    height = np.interp(times_s, movement.times_s, values) if len(values) else np.zeros(len(times_s))
    near = (movement.times_s >= span[0] - 1) & (movement.times_s <= span[1] + 1)
    ax.fill_between(movement.times_s[near], values[near], color=BEAT, alpha=0.18, linewidth=0)
    ax.plot(movement.times_s[near], values[near], color=BEAT, linewidth=0.9)
    ax.set_ylim(0, top * 1.35)
    here = (times_s >= span[0]) & (times_s <= span[1])
    times_s, strength, height = times_s[here], strength[here], height[here]
    ax.scatter(times_s, np.minimum(height, top * 1.2), s=8 + 46 * strength, c=ACCENT, linewidths=0, zorder=3)


def _draw_rhythm(ax: Axes, rhythm: Rhythm, span: tuple[float, float]) -> None:
    """The 16ths that carry a beat (below) and those that carry an accent (above)."""
    step_s = rhythm.grid.time_s(np.arange(len(rhythm.beat) + 1))
    begin, width = step_s[:-1], np.diff(step_s) * 0.86
    shown = (begin < span[1]) & (step_s[1:] > max(span[0], 0))
    beat = shown & (rhythm.beat > 0)
    ax.bar(begin[beat], 0.86, width[beat], bottom=0.06, align="edge", color=BEAT, linewidth=0)
    accent = shown & (rhythm.accent > 0)
    colours = [(*_rgb(ACCENT), 0.3 + 0.7 * float(value)) for value in rhythm.accent[accent]]
    ax.bar(begin[accent], 0.86, width[accent], bottom=1.06, align="edge", color=colours, linewidth=0)
    ax.set_ylim(0, 2)
    ax.set_yticks([0.5, 1.5], ["beat", "accent"])


def _draw_drums(ax: Axes, drums: DrumTrack, span: tuple[float, float]) -> None:
    """One row per drum; the taller a stroke, the stronger the hit."""
    times_s, drum, velocity = drums.onsets()
    shown = (times_s >= max(span[0], 0)) & (times_s < span[1])
    row = np.argsort(ROLL_ORDER)[drum[shown]]
    half = 0.1 + 0.36 * velocity[shown].astype(float)
    colours = [DRUM_COLOURS[number] for number in drum[shown]]
    ax.vlines(times_s[shown], row - half, row + half, colors=colours, linewidth=2.6)
    ax.set_ylim(-0.6, len(DRUMS) - 0.4)
    ax.set_yticks(range(len(DRUMS)), [DRUMS[number].name for number in ROLL_ORDER])
    for number in range(len(DRUMS)):
        ax.axhline(number, color=GRID, linewidth=0.6, zorder=0)


def _draw_notes(ax: Axes, track: Track, colour: str, span: tuple[float, float]) -> None:
    """A piano roll: the stronger a note, the darker; all Cs have a line."""
    begin, end = track.time_s, track.time_s + track.duration_s
    shown = (begin < span[1]) & (end > max(span[0], 0))
    colours = [(*_rgb(colour), 0.35 + 0.65 * float(velocity) / 127) for velocity in track.velocity[shown]]
    ax.hlines(track.pitch[shown], begin[shown], end[shown], colors=colours, linewidth=2.2)
    low, high = (int(track.pitch.min()), int(track.pitch.max())) if len(track.pitch) else (60, 60)
    wider = max(0, LEAST_SPAN - (high - low)) / 2
    ax.set_ylim(low - wider - 1.5, high + wider + 1.5)
    cs = [pitch for pitch in range(0, 128, 12) if low - wider - 1 <= pitch <= high + wider + 1]
    ax.set_yticks(cs, [f"C{pitch // 12 - 1}" for pitch in cs])
    for pitch in cs:
        ax.axhline(pitch, color=GRID, linewidth=0.6, zorder=0)


def _draw_sound(
    ax: Axes, outline: NDArray[np.float32], duration_s: float, loudest: float, span: tuple[float, float]
) -> None:
    """The waveform's outline."""
    times_s = (np.arange(len(outline)) + 0.5) * duration_s / max(len(outline), 1)
    shown = (times_s >= span[0] - 0.1) & (times_s <= span[1] + 0.1)
    low, high = outline[shown, 0], outline[shown, 1]
    ax.fill_between(times_s[shown], low, high, color=WAVE, linewidth=0.4, edgecolor=WAVE)
    ax.set_ylim(-1.05 * loudest, 1.05 * loudest)


def draw_beats(ax: Axes, grid: BeatGrid, span: tuple[float, float], duration_s: float) -> None:
    """A line at every beat, darker at every bar; bars alone where beats would be too dense to see."""
    across = ax.get_xaxis_transform()
    downbeats_s, others_s = beats_shown(grid, span, duration_s)
    ax.vlines(downbeats_s, 0, 1, colors=SOFT, linewidth=0.9, zorder=0, transform=across)
    ax.vlines(others_s, 0, 1, colors=GRID, linewidth=0.7, zorder=0, transform=across)


def beats_shown(
    grid: BeatGrid, span: tuple[float, float], duration_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Downbeats of one line, and its other beats unless they would be too dense to see; seconds."""
    beats_s = grid.beats_s
    shown = (beats_s >= max(span[0], 0)) & (beats_s <= min(span[1], duration_s))
    bar = np.arange(len(beats_s)) % BEATS_PER_BAR == 0
    others = shown & ~bar if np.count_nonzero(shown) <= MOST_BEATS else np.zeros(len(bar), bool)
    return beats_s[shown & bar], beats_s[others]


def _draw_key(ax: Axes, movement: Curve) -> None:
    """What the colours of the first row mean."""
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], color=BEAT, linewidth=1.5, label=movement.name),
        Line2D([], [], color=ACCENT, marker="o", linestyle="", markersize=5, label="accent of the movement"),
        Line2D([], [], color=SOFT, linewidth=1, label="bar"),
    ]
    ax.legend(handles=marks, loc="upper right", ncols=3, fontsize=8, frameon=False, borderaxespad=0.1, labelcolor=INK)


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue
