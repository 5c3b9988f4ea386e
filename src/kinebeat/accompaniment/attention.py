"""Who sees whom in the accompaniment's network, and attention over what is seen; needs torch.

Shapes: B pieces, L tokens, H heads, D numbers a head, K keys. Heads are in front, (H, B, L, D), so that the vectors of
the distances, which are the same for all pieces, are one matrix product for each head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

NEVER = -1e4
_AFTER_ALL = 1 << 30


@dataclass(frozen=True)
class Interval:
    """What each token sees: the tokens from `low` to `high`, both included; each (B, L). All masks are made of it."""

    low: Tensor
    high: Tensor


def decoder_sight(bar: Tensor, memory: int) -> Interval:
    """A token of the instrument sees its bar up to itself and `memory` tokens before the bar; bar (B, L)."""
    here = torch.arange(bar.shape[1], device=bar.device).expand_as(bar)
    return Interval((_first(bar, bar) - memory).clamp(min=0), here)


def encoder_sight(bar: Tensor, memory: int) -> Interval:
    """A token of the drums sees all of its bar and `memory` tokens before it; bar (B, L)."""
    return Interval((_first(bar, bar) - memory).clamp(min=0), _first(bar, bar, right=True) - 1)


def cross_sight(decoder_bar: Tensor, encoder_bar: Tensor) -> Interval:
    """A token of the instrument sees the drums of its own bar; bars (B, L) and (B, L')."""
    # Only padding would look behind the last token.
    most = encoder_bar.shape[1] - 1
    last = _first(encoder_bar, decoder_bar, right=True) - 1
    return Interval(_first(encoder_bar, decoder_bar).clamp(max=most), last)


def _first(sorted_bar: Tensor, bar: Tensor, *, right: bool = False) -> Tensor:
    """Index of the first token of each bar among sorted ones, or of the first after it."""
    order, wanted = (torch.where(x < 0, _AFTER_ALL, x).contiguous() for x in (sorted_bar, bar))
    return torch.searchsorted(order, wanted, right=right)


@dataclass(frozen=True)
class Block:
    """Queries that attend together.

    Attributes:
        rows: their first and the one after the last.
        columns: the first key that any of them sees and the one after the last.
        ahead: more than any of them sees ahead of itself, at least 1.
        mask: (B, rows, columns), 0 where a key is seen and `NEVER` where it is not.
    """

    rows: slice
    columns: slice
    ahead: int
    mask: Tensor


def blocks_of(sight: Interval, size: int) -> list[Block]:
    """Cut the queries into blocks of some size, each with no more keys than it needs."""
    length, found = sight.low.shape[1], []
    here = torch.arange(length, device=sight.low.device)
    for start in range(0, length, size):
        rows = slice(start, min(start + size, length))
        low, high = sight.low[:, rows], sight.high[:, rows]
        bounds = torch.stack([low.min(), high.max() + 1, (high - here[rows]).max() + 1])
        first, end, ahead = (int(x) for x in bounds.tolist())
        key = torch.arange(first, end, device=low.device)
        seen = (key >= low[..., None]) & (key <= high[..., None])
        mask = torch.zeros(seen.shape, device=low.device).masked_fill_(~seen, NEVER)
        found.append(Block(rows, slice(first, end), max(1, ahead), mask))
    return found


def skewed(by_distance: Tensor, keys: int) -> Tensor:
    """Bring scores that are ordered by distance to their keys (Huang et al. 2018, section 3.4.1; here both ways).

    In row i the distance 0 is in column first + n - 1 and belongs in column first + i: rows that are one entry shorter,
    begun n - 1 entries later, bring it there. Nothing is copied.

    Args:
        by_distance: (B, n, first + n + ahead), without gaps: distances from first + n - 1 to -ahead, where the first
            query is at the place `first` among the keys.
        keys: their number, less than first + n + ahead.

    Returns:
        (B, n, keys), without meaning where a key is more than `ahead` ahead of its query.
    """
    pieces, n, width = by_distance.shape
    return by_distance.reshape(pieces, n * width)[:, n - 1 : -1].reshape(pieces, n, width - 1)[..., :keys]


def attend(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    blocks: Sequence[Block],
    placed: Tensor | None = None,
    table: Tensor | None = None,
    far: int = 0,
) -> Tensor:
    """Softmax attention block by block, with a gradient that is as sparing.

    Args:
        query: (H, B, L, D), scaled.
        keys: (H, B, K, D).
        values: (H, B, K, D).
        blocks: of all queries.
        placed: (H, B, L, D), the queries of the distances, scaled; None for attention without distances.
        table: (H, N, D), the vectors of the distances `far`, `far` - 1 and so on.
        far: the largest distance.

    Returns:
        (H, B, L, D).
    """
    mixed: Tensor = _Attend.apply(query, keys, values, placed, table, blocks, far)  # type: ignore[no-untyped-call]
    return mixed


def _of_block(block: Block, far: int) -> slice:
    """The rows of the table that a block needs."""
    end = block.rows.stop - block.columns.start
    return slice(far - end + 1, far + block.ahead + 1)


class _Attend(torch.autograd.Function):
    """What torch would make of it keeps every score twice and fills a whole gradient for every block."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        placed: Tensor | None,
        table: Tensor | None,
        blocks: Sequence[Block],
        far: int,
    ) -> Tensor:
        heads, pieces = query.shape[:2]
        mixed = torch.empty_like(query)
        kept = []
        for block in blocks:
            rows, columns = block.rows, block.columns
            scores = query[:, :, rows] @ keys[:, :, columns].transpose(2, 3)
            n, count = scores.shape[2:]
            if placed is not None and table is not None:
                part = table[:, _of_block(block, far)]
                moved = placed[:, :, rows].reshape(heads, pieces * n, -1) @ part.transpose(1, 2)
                scores += skewed(moved.view(heads * pieces, n, -1), count).view(scores.shape)
            scores += block.mask
            weights = scores.softmax(-1)
            mixed[:, :, rows] = weights @ values[:, :, columns]
            kept.append(weights)
        ctx.blocks, ctx.far = blocks, far
        ctx.save_for_backward(query, keys, values, placed, table, mixed, *kept)
        return mixed

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        query, keys, values, placed, table, mixed, *kept = ctx.saved_tensors
        heads, pieces, _, depth = query.shape
        grad = grad.contiguous()
        to_query, to_keys, to_values = torch.empty_like(query), torch.zeros_like(keys), torch.zeros_like(values)
        to_placed: Any = None
        to_table: Any = None
        if placed is not None:
            to_placed, to_table = torch.empty_like(placed), torch.zeros_like(table)
        # The softmax's gradient is w (dw - sum(w dw)), and that sum is the product of output and gradient.
        shared = (grad * mixed).sum(-1, keepdim=True)
        for block, weights in zip(ctx.blocks, kept, strict=True):
            rows, columns = block.rows, block.columns
            here = grad[:, :, rows]
            n, count = weights.shape[2:]
            to_values[:, :, columns] += weights.transpose(2, 3) @ here
            to_weights = here @ values[:, :, columns].transpose(2, 3)
            to_weights -= shared[:, :, rows]
            if placed is None:
                to_scores = to_weights.mul_(weights).view(heads * pieces, n, count)
            else:
                # Written in the order of the distances, from which the order of the keys can be read without a copy.
                part = table[:, _of_block(block, ctx.far)]
                by_distance = weights.new_zeros(heads * pieces, n, part.shape[1])
                to_scores = skewed(by_distance, count)
                torch.mul(to_weights.flatten(0, 1), weights.flatten(0, 1), out=to_scores)
                moved = by_distance.view(heads, pieces * n, -1)
                to_placed[:, :, rows] = (moved @ part).view(heads, pieces, n, depth)
                asked = placed[:, :, rows].reshape(heads, pieces * n, depth)
                to_table[:, _of_block(block, ctx.far)] += moved.transpose(1, 2) @ asked
            asked, given = query[:, :, rows].flatten(0, 1), keys[:, :, columns].flatten(0, 1)
            to_query[:, :, rows] = (to_scores @ given).view(heads, pieces, n, depth)
            to_keys[:, :, columns] += (to_scores.transpose(1, 2) @ asked).view(heads, pieces, count, depth)
        return to_query, to_keys, to_values, to_placed, to_table, None, None
