"""Gives a style the contrast of drums.

A network that is taught what drums go with a movement, and is not sure, says something between all of them: every 16th
about as strong as the next. Drummers do not play that, and DrumGenNet has never heard it. So the 16ths keep their order
and get the strengths that those of drummers have; where the movement says next to nothing about that order, the metre
does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

METRE = (0.74, 0.25, 0.53, 0.34)
"""Mean style of the four 16ths of a beat in the validation files of the Groove MIDI Dataset."""
METRE_WEIGHT = 0.2
"""How much the metre counts beside what the movement says, which is in [0, 1]."""
SHARES = (0.0, 0.26, 0.30, 0.50, 0.75, 0.95, 1.0)
STRENGTHS = (0.0, 0.0, 0.12, 0.45, 0.81, 1.0, 1.0)
"""Style of those files: of so large a share of the 16ths it is not above that."""


def contrasted(style: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """A style with the strengths of drummers, in the order of its own.

    Args:
        style: (N,) in [0, 1], N a multiple of 4, the first on a beat.

    Returns:
        (N,) in [0, 1], as loud as the loudest of the style at most.
    """
    metre = np.tile(np.array(METRE) - np.mean(METRE), len(style) // 4)
    order = np.argsort(np.argsort(np.asarray(style, np.float64) + METRE_WEIGHT * metre, kind="stable"), kind="stable")
    return np.asarray(np.interp((order + 0.5) / len(style), SHARES, STRENGTHS) * style.max(), np.float32)
