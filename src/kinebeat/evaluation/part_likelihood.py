"""How well models foretell what was played: negative log likelihoods by teacher forcing, without torch.

Whole segments are gone through bar by bar, each bar's drums before its tokens and the memory going on from bar to bar,
as when playing. Every token but a segment's first is foretold, from all of the vocabulary: no grammar helps.
Nats throughout.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from kinebeat.accompaniment.batches import Piece, piece_of
from kinebeat.accompaniment.tokens import Stream
from kinebeat.accompaniment.vocabulary import DECODER, PAD, silence_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from kinebeat.accompaniment.corpus import Segment
    from kinebeat.accompaniment.player import Model

Result = TypeVar("Result")
BATCH = 4
"""A bar's tokens are many already: more pieces are not faster."""
_PITCH = DECODER.kinds.index("Pitch")


@dataclass(frozen=True)
class Likelihood:
    """What each of some pieces costs, by kind of token.

    Attributes:
        nats: (N, kinds) sums of negative log likelihoods.
        tokens: (N, kinds) how many tokens that are.
    """

    nats: NDArray[np.float64]
    tokens: NDArray[np.int64]

    @property
    def per_token(self) -> float:
        """Mean over all tokens."""
        return float(self.nats.sum() / self.tokens.sum())

    @property
    def per_note(self) -> float:
        """All that is said, by the notes: comparable where tokens are not."""
        return float(self.nats.sum() / max(1, self.tokens[:, _PITCH].sum()))

    def by_kind(self) -> dict[str, float]:
        """Mean over the tokens of each kind, for kinds that there are."""
        nats, tokens = self.nats.sum(0), self.tokens.sum(0)
        return {kind.lower(): float(nats[i] / tokens[i]) for i, kind in enumerate(DECODER.kinds) if tokens[i]}


@dataclass(frozen=True)
class Gain:
    """By how much one is lower than another, paired.

    Attributes:
        per_token: nats.
        se: its standard error.
        per_note: nats.
        se_per_note: its standard error.
    """

    per_token: float
    se: float
    per_note: float
    se_per_note: float


def lowered(one: Likelihood, other: Likelihood, songs: Sequence[str]) -> Gain:
    """By how much `one` is lower than `other` on the same pieces.

    The standard error is that of a ratio (the difference by the tokens) over songs, not over segments: segments of
    one song are much alike and count as one.

    Args:
        one: of the pieces.
        other: of the same pieces.
        songs: of each piece.
    """
    _, song = np.unique(songs, return_inverse=True)
    saved = np.bincount(song, (other.nats - one.nats).sum(1))
    figures: list[float] = []
    for size in (one.tokens.sum(1), one.tokens[:, _PITCH]):
        count = np.bincount(song, size)
        mean, many = saved.sum() / max(1, count.sum()), len(count)
        spread = ((saved - mean * count) ** 2).sum() * many / (many - 1) if many > 1 else np.nan
        figures += [float(mean), float(np.sqrt(spread) / max(1, count.sum()))]
    return Gain(*figures)


def pieces_of(segments: Iterable[Segment], *, hits: bool = True, told: bool = False) -> list[Piece]:
    """The tokens of segments.

    Args:
        segments: what was played, to which drums.
        hits: whether the drums are heard.
        told: whether key and number of notes are said.
    """
    silent = silence_table()
    pieces = [piece_of(segment, hits=hits) for segment in segments]
    if told:
        return pieces
    return [Piece(Stream(silent[p.drums.tokens], p.drums.when, p.drums.bar), p.music) for p in pieces]


def longest_bar(piece: Piece) -> int:
    """Tokens of its longest bar, on either side."""
    return max(int(np.bincount(stream.bar).max()) for stream in (piece.drums, piece.music))


def in_threads(
    work: Callable[[int], Result], numbers: Sequence[int], workers: int, progress: Callable[[float], None] | None
) -> list[Result]:
    """The results of some work on each number, in order; models compute outside of Python, so threads are enough."""
    done: list[Result] = []
    with ThreadPoolExecutor(workers) as pool:
        for result in pool.map(work, numbers):
            done.append(result)
            if progress is not None:
                progress(len(done) / len(numbers))
    return done


def likelihood(
    model: Model,
    pieces: Sequence[Piece],
    *,
    batch: int = BATCH,
    workers: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Likelihood:
    """What pieces cost a model.

    Args:
        model: the trained model.
        pieces: of equally many bars, none with more tokens than the model takes.
        batch: how many are gone through side by side.
        workers: threads, each with a batch.
        progress: called with the share done.

    Raises:
        ValueError: a bar is too long for the model.
    """
    shape = len(pieces), len(DECODER.kinds)
    nats, tokens = np.zeros(shape), np.zeros(shape, np.int64)
    order = np.argsort([len(piece.music) for piece in pieces], kind="stable")
    parts = [order[first : first + batch] for first in range(0, len(order), batch)]

    def costs(number: int) -> list[NDArray[np.float64]]:
        return _costs(model, [pieces[i] for i in parts[number]])

    for some, found in zip(parts, in_threads(costs, range(len(parts)), workers, progress), strict=True):
        for i, own in zip(some, found, strict=True):
            _tally(nats[i], tokens[i], pieces[i], own)
    return Likelihood(nats, tokens)


def unigram(known: Iterable[Piece], pieces: Sequence[Piece]) -> Likelihood:
    """What pieces cost one who knows nothing but how often each token is played in what is known."""
    counts = np.ones(len(DECODER))
    for piece in known:
        counts += np.bincount(piece.music.tokens, minlength=len(DECODER))
    cost = -np.log(counts / counts.sum())
    shape = len(pieces), len(DECODER.kinds)
    nats, tokens = np.zeros(shape), np.zeros(shape, np.int64)
    for i, piece in enumerate(pieces):
        _tally(nats[i], tokens[i], piece, cost[piece.music.tokens[1:]])
    return Likelihood(nats, tokens)


def _tally(nats: NDArray[np.float64], tokens: NDArray[np.int64], piece: Piece, costs: NDArray[np.float64]) -> None:
    """Add the costs of all tokens but the first."""
    kind = DECODER.kind[piece.music.tokens[1:]]
    np.add.at(nats, kind, costs)
    np.add.at(tokens, kind, 1)


def _costs(model: Model, pieces: Sequence[Piece]) -> list[NDArray[np.float64]]:
    """For each piece the cost of each token but the first."""
    drums, music = [_bars(piece.drums) for piece in pieces], [_bars(piece.music) for piece in pieces]
    rows = np.arange(len(pieces))
    costs: list[list[NDArray[np.float64]]] = [[] for _ in pieces]
    state, counts, before = None, None, None
    for bar in range(len(music[0])):
        state = model.begin_bar([own[bar] for own in drums], state, counts)
        counts = np.array([len(own[bar]) for own in music])
        tokens = np.full((len(pieces), counts.max()), PAD, np.int64)
        for i, own in enumerate(music):
            tokens[i, : counts[i]] = own[bar].tokens
        logits, state = model.step(tokens, state)
        cost = _normalised(logits)
        for i in rows:
            if before is not None:  # the bar's first token was foretold by the last of the bar before
                costs[i].append(before[i, tokens[i, :1]])
            costs[i].append(cost[i, np.arange(counts[i] - 1), tokens[i, 1 : counts[i]]])
        before = cost[rows, counts - 1]
    return [np.concatenate(own) for own in costs]


def _bars(stream: Stream) -> list[Stream]:
    starts = np.searchsorted(stream.bar, np.arange(int(stream.bar[-1]) + 2))
    return [Stream(stream.tokens[a:b], stream.when[a:b], stream.bar[a:b]) for a, b in pairwise(starts)]


def _normalised(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Negative log probabilities."""
    scores = logits.astype(np.float64)
    scores -= scores.max(-1, keepdims=True)
    return np.asarray(np.log(np.exp(scores).sum(-1, keepdims=True)) - scores)
