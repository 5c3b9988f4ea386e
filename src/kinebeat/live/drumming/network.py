"""The networks of this room, in torch: for training and export only; playing needs none of this.

Shapes: B windows, S = 16 steps, N = 4 new steps, W words, E width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinebeat.beats.grid import BEATS_PER_BAR, STEPS_PER_BEAT
from kinebeat.drums.kit import DRUMS
from kinebeat.drums.network import Block, causal_mask
from kinebeat.live.drumming.data import CONTEXT, NEW, WINDOW

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DrumGenTransformer(nn.Module):
    """DrumGenNet: style of four beats and the words of three to the words of the fourth.

    InteractiveBeat 3.3 and 4.2: 2 + 2 layers, width 64, 1 head, cross-entropy; style is continuous. As in Rhythm2Drum
    a step's decoder input is the word before it and the encoder's vector of the step itself.

    Args:
        hits_of_words: (W, 9), what each word plays.
        width: E.
        layers: of the encoder and of the decoder.
        heads: of attention.
        dropout: in training.
    """

    def __init__(
        self,
        hits_of_words: NDArray[Any],
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.hits_of_words: Tensor
        self.register_buffer("hits_of_words", torch.as_tensor(hits_of_words, dtype=torch.float32))
        self.words = len(hits_of_words)
        self.style = nn.Sequential(nn.Linear(2, width), nn.GELU(), nn.Linear(width, width))
        self.place = nn.Embedding(2 * WINDOW, width)
        # One for each step of the bar, and those of the beat for when the bar is not told.
        self.in_bar = nn.Embedding(2 * STEPS_PER_BEAT * (BEATS_PER_BAR + 1), width)
        self.word = nn.Embedding(self.words + 1, width)  # the last is the start
        self.drum = nn.Linear(len(DRUMS), width, bias=False)
        for table, spread in ((self.place, 0.02), (self.in_bar, 0.02), (self.word, 0.05)):
            nn.init.normal_(table.weight, std=spread)
        self.encoder = nn.ModuleList(Block(width, heads, dropout, cross=False) for _ in range(layers))
        self.encoder_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(Block(width, heads, dropout, cross=True) for _ in range(layers))
        self.decoder_norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(self.words))
        self.drop = nn.Dropout(dropout)

    def word_table(self) -> Tensor:
        """(W + 1, E): a word's own vector and those of the drums that it plays."""
        return self.word.weight + functional.pad(self.drum(self.hits_of_words), (0, 0, 0, 1))

    def _places(self, beat_in_bar: Tensor, side: int) -> Tensor:
        """(B, S, E), where each step is in the window and in the bar; side 0 is the encoder's, 1 the decoder's."""
        steps = torch.arange(WINDOW, device=beat_in_bar.device)
        beats = (beat_in_bar[:, None] + steps // STEPS_PER_BEAT - WINDOW // STEPS_PER_BEAT + 1) % BEATS_PER_BAR
        beats = torch.where(beat_in_bar[:, None] < 0, BEATS_PER_BAR, beats)
        bar = beats * STEPS_PER_BEAT + steps % STEPS_PER_BEAT
        table = STEPS_PER_BEAT * (BEATS_PER_BAR + 1)
        found: Tensor = self.place(steps + side * WINDOW) + self.in_bar(bar + side * table)
        return found

    def encode(self, style: Tensor, beat_in_bar: Tensor) -> Tensor:
        """Style (B, S) and beat of the bar (B,) -> (B, S, E)."""
        # Almost nothing and nothing at all are far apart in music, and near each other as numbers.
        x = self.style(torch.stack([style, style.clamp(min=0.0).sqrt()], -1)) + self._places(beat_in_bar, 0)
        x = self.drop(x)
        for block in self.encoder:
            x, _ = block(x)
        encoded: Tensor = self.encoder_norm(x)
        return encoded

    def logits(self, x: Tensor, table: Tensor) -> Tensor:
        """Of words, (..., W), of the decoder's vectors (..., E)."""
        found: Tensor = self.decoder_norm(x) @ table[:-1].T * x.shape[-1] ** -0.5 + self.bias
        return found

    def forward(self, style: Tensor, beat_in_bar: Tensor, words: Tensor) -> Tensor:
        """Teacher-forced: logits (B, S, W) of each step given the true words (B, S) before it."""
        encoded = self.encode(style, beat_in_bar)
        start = torch.full_like(words[:, :1], self.words)
        table = self.word_table()
        before = functional.embedding(torch.cat([start, words[:, :-1]], 1), table)
        x = self.drop(before + encoded + self._places(beat_in_bar, 1))
        mask = causal_mask(WINDOW).to(x.device)
        for block in self.decoder:
            memory = block.attend_cross.keys_values(encoded)  # type: ignore[union-attr, operator]
            x, _ = block(x, None, mask, memory)
        return self.logits(x, table)

    def play(
        self, style: Tensor, context: Tensor, beat_in_bar: Tensor, uniforms: Tensor, temperature: Tensor
    ) -> Tensor:
        """Draw the next four words one after the other, all in one graph.

        Args:
            style: (B, 16).
            context: (B, 12) int64, the words before.
            beat_in_bar: (B,) int64, -1 where not told.
            uniforms: (B, 4) in [0, 1), where in each distribution the draw falls.
            temperature: () above 0.

        Returns:
            (B, 4) int64 words.
        """
        encoded = self.encode(style, beat_in_bar)
        memory = [block.attend_cross.keys_values(encoded) for block in self.decoder]  # type: ignore[union-attr, operator]
        table = self.word_table()
        here = encoded + self._places(beat_in_bar, 1)
        before = functional.pad(context, (1, 0), value=self.words)
        x = functional.embedding(before, table) + here[:, : CONTEXT + 1]
        past: list[Any] = [None] * len(memory)
        mask: Tensor | None = causal_mask(CONTEXT + 1)
        drawn: list[Tensor] = []
        for step in range(NEW):
            for i, block in enumerate(self.decoder):
                x, past[i] = block(x, past[i], mask, memory[i])
            mask = None
            word = draw_word(self.logits(x[:, -1], table), uniforms[:, step], temperature)
            drawn.append(word)
            if step + 1 < NEW:
                at = CONTEXT + 1 + step
                x = functional.embedding(word, table)[:, None] + here[:, at : at + 1]
        return torch.stack(drawn, 1)


def draw_word(logits: Tensor, uniform: Tensor, temperature: Tensor) -> Tensor:
    """The word (B,) at which the running sum of probabilities of logits (B, W) passes a number (B,) in [0, 1)."""
    heights = (logits / temperature).softmax(-1).cumsum(-1)
    return (heights[:, :-1] <= uniform[:, None] * heights[:, -1:]).sum(-1)


class MonoGRU(nn.Module):
    """The paper's monophonic drummer: one GRU of 64, the drum before to the drum that comes next (section 4.5)."""

    def __init__(self, *, width: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        self.drum = nn.Embedding(len(DRUMS) + 1, width)  # the last is the start
        self.gru = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, len(DRUMS))
        self.drop = nn.Dropout(dropout)

    def forward(self, drums: Tensor) -> Tensor:
        """Teacher-forced: logits (B, L, 9) of each note given the true ones (B, L) before it."""
        before = functional.pad(drums[:, :-1].clamp(min=0), (1, 0), value=len(DRUMS))
        x, _ = self.gru(self.drop(self.drum(before)))
        found: Tensor = self.out(self.drop(x))
        return found

    def step(self, before: Tensor, hidden: Tensor, uniform: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        """One note: drum before (B,), hidden (1, B, E), number (B,) -> drum (B,), hidden."""
        x, hidden = self.gru(self.drum(before)[:, None], hidden)
        return draw_word(self.out(x[:, 0]), uniform, temperature), hidden
