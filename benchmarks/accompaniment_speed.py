"""Seconds for 16 bars of accompaniment on one thread, cache or not (python benchmarks/accompaniment_speed.py).

With `--shape` a network of that shape with random weights plays a given piece instead of its own (needs torch).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import finish, spread
from kinebeat.accompaniment.accompanist import WEIGHT
from kinebeat.accompaniment.harmony import chord_numbered
from kinebeat.accompaniment.limits import Wish
from kinebeat.accompaniment.model import AccompanimentModel
from kinebeat.accompaniment.parts import POSITIONS_PER_BAR, SEGMENT_BARS, Chords, drums_from_hits, part_from_notes
from kinebeat.accompaniment.player import play_tokens
from kinebeat.accompaniment.tokens import encode_part
from kinebeat.accompaniment.vocabulary import DECODER, ENCODER
from kinebeat.weights import load, registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kinebeat.accompaniment.model import BarState
    from kinebeat.accompaniment.parts import DrumBars
    from kinebeat.accompaniment.tokens import Stream

TEMPO_BPM = 120.0
KEPT = "with the cache"
BAR_AGAIN = "memory kept, the bar's tokens computed again for each token"
ALL_AGAIN = "without the cache: all computed again for each token"


class Logged:
    """A model that notes down its logits, and may be led: then it says what a given piece says."""

    def __init__(self, model: Any, lead: NDArray[np.int64] | None) -> None:
        self._model, self._lead = model, lead
        self.bar_tokens: int = model.bar_tokens
        self.logits: list[NDArray[np.float32]] = []
        self._said = 0

    def begin_bar(self, drums: Sequence[Stream], state: Any = None, played: NDArray[np.int64] | None = None) -> Any:
        """See `AccompanimentModel`."""
        return self._model.begin_bar(drums, state, played)

    def step(self, tokens: NDArray[np.int64], state: Any) -> tuple[NDArray[np.float32], Any]:
        """See `AccompanimentModel`."""
        logits, state = self._model.step(tokens, state)
        self.logits.append(logits[0, -1])
        self._said += tokens.shape[1]
        if self._lead is not None:
            logits = logits.copy()
            coming = self._lead[self._said] if self._said < len(self._lead) else DECODER.first["Bar"]
            logits[:, -1, coming] += 1e4
        return logits, state


class BarAgain:
    """Keeps the memory of the bars before, and nothing of the bar it is in."""

    def __init__(self, model: AccompanimentModel) -> None:
        self._model, self.bar_tokens = model, model.bar_tokens

    def begin_bar(self, drums: Sequence[Stream], state: Any = None, played: NDArray[np.int64] | None = None) -> Any:
        """The state is the bar's beginning, its tokens, and the bar's end so far."""
        begun = self._model.begin_bar(drums, state[2] if state is not None else None, played)
        return begun, np.zeros((len(drums), 0), np.int64), begun

    def step(self, tokens: NDArray[np.int64], state: Any) -> tuple[NDArray[np.float32], Any]:
        """All tokens of the bar at once."""
        begun, before, _ = state
        said = np.concatenate([before, tokens], 1)
        logits, end = self._model.step(said, begun)
        return logits[:, -tokens.shape[1] :], (begun, said, end)


class AllAgain:
    """Keeps the tokens alone: the same numbers, as what is in memory depends on all that came before it."""

    def __init__(self, model: AccompanimentModel) -> None:
        self._model, self.bar_tokens = model, model.bar_tokens

    def begin_bar(self, drums: Sequence[Stream], state: Any = None, played: NDArray[np.int64] | None = None) -> Any:
        """The state is drums and tokens of each bar."""
        del played  # one piece: all count
        return [*(state or []), (drums, np.zeros((len(drums), 0), np.int64))]

    def step(self, tokens: NDArray[np.int64], state: Any) -> tuple[NDArray[np.float32], Any]:
        """All bars from the first."""
        drums, before = state[-1]
        said = [*state[:-1], (drums, np.concatenate([before, tokens], 1))]
        kept: BarState | None = None
        for heard, music in said:
            logits, kept = self._model.step(music, self._model.begin_bar(heard, kept))
        return logits[:, -tokens.shape[1] :], said


def rock_beat() -> DrumBars:
    """Eighths on the hi-hat, kick and snare in turns."""
    hat = np.arange(0, SEGMENT_BARS * POSITIONS_PER_BAR, 6)
    beat = np.arange(0, SEGMENT_BARS * POSITIONS_PER_BAR, 12)
    onset, drum = np.concatenate([hat, beat]), np.concatenate([np.full(len(hat), 2), np.arange(len(beat)) % 2])
    return drums_from_hits(SEGMENT_BARS, onset, drum, np.full(len(onset), 90))


def given_piece() -> NDArray[np.int64]:
    """As many tokens as a piece of the corpus has on average, about 660: 11 notes a bar, on five positions."""
    bar = [(0, 48), (0, 60), (0, 64), (12, 67), (12, 72), (24, 60), (24, 64), (24, 67), (36, 60), (36, 64), (42, 67)]
    notes = [(b * POSITIONS_PER_BAR + at, pitch) for b in range(SEGMENT_BARS) for at, pitch in bar]
    onset, pitch = np.array(notes).T
    part = part_from_notes(SEGMENT_BARS, onset, np.full(len(onset), 6), pitch, np.full(len(onset), 80))
    chords = Chords(np.full(2 * SEGMENT_BARS, chord_numbered("C")))
    return encode_part(part, chords, TEMPO_BPM).tokens.astype(np.int64)


def random_model(shape: str) -> tuple[AccompanimentModel, int]:
    """A model of a shape with random weights, and the bytes of its files."""
    from dataclasses import replace

    import torch

    from kinebeat.accompaniment.export import model_parts
    from kinebeat.accompaniment.network import SHAPES, AccompanimentNet
    from kinebeat.weights.exporting import write_graphs

    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = replace(SHAPES[shape], encoder_words=len(ENCODER), decoder_words=len(DECODER))
    parts = model_parts(AccompanimentNet(config))
    graphs = {part: value.tobytes() for part, value in parts.items() if value.dtype == np.uint8}
    with tempfile.TemporaryDirectory() as folder:
        write_graphs("random", graphs, Path(folder))
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        written = {part: np.fromfile(Path(folder) / f"random.{part}.onnx", np.uint8) for part in graphs}
    return AccompanimentModel({**parts, **written}), size


def main() -> None:
    """Measure and write benchmarks/results/accompaniment_speed.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=["small", "paper"], help="random weights of this shape instead of ours")
    parser.add_argument("--runs", type=int, default=9, help="pieces played with the cache")
    options = parser.parse_args()
    if options.shape is None and WEIGHT not in registry():
        parser.error(f"no weights {WEIGHT!r} are there: give --shape to measure with random ones")
    start = time.perf_counter()
    lead = None
    if options.shape is None:
        model, size = AccompanimentModel(load(WEIGHT)), sum(file.stat().st_size for file in registry()[WEIGHT].files)
    else:
        (model, size), lead = random_model(options.shape), given_piece()
    drums, wish = rock_beat(), Wish("piano", (TEMPO_BPM,) * SEGMENT_BARS, 0)

    def play(how: Any, seed: int) -> tuple[float, NDArray[np.int64], NDArray[np.float32]]:
        logged = Logged(how, lead)
        begun = time.perf_counter()
        (tokens,) = play_tokens(logged, [drums], [wish], [seed])
        return time.perf_counter() - begun, tokens, np.array(logged.logits)

    play(model, 0)  # to warm up
    runs = [play(model, seed) for seed in range(options.runs)]
    seconds, counts = [run[0] for run in runs], [len(run[1]) for run in runs]
    milliseconds = 1000 * float(np.sum(seconds) / np.sum(counts))
    kept_row = {"name": KEPT, **spread(seconds), "tokens": float(np.mean(counts)), "ms_per_token": milliseconds}
    rows: list[dict[str, object]] = [kept_row]
    for name, how in ((BAR_AGAIN, BarAgain(model)), (ALL_AGAIN, AllAgain(model))):
        again_s, tokens, logits = play(how, 0)
        same = np.array_equal(tokens, runs[0][1])
        rows.append(
            {
                "name": f"{name} (one piece)",
                "p50_s": again_s,
                "tokens": float(len(tokens)),
                "ms_per_token": 1000 * again_s / len(tokens),
                "times_slower": again_s / runs[0][0],
                "same_tokens": same,
                "logits_differ_by": float(np.abs(logits - runs[0][2]).max()) if same else float("nan"),
            }
        )
    weights = f"random, shape {options.shape}" if options.shape else WEIGHT
    rows.append({"name": f"weight files ({weights})", "megabytes": size / 1e6})
    told = (
        f"weights: {weights}; {'a given piece' if options.shape else 'its own piece'} of 16 bars in C major at 120 BPM"
    )
    data = f"{told}, piano, one thread, {options.runs} runs"
    name = "accompaniment_speed" + (f"_random_{options.shape}" if options.shape else "")
    finish(name, "Speed of the accompaniment", rows, data=data, seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
