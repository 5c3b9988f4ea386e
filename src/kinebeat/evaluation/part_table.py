"""How Table 3 of the accompaniment is shown, and what the paper prints in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinebeat.accompaniment.parts import INSTRUMENTS
from kinebeat.evaluation import tables
from kinebeat.evaluation.part_sets import LISTENING, STATISTICS

if TYPE_CHECKING:
    Row = dict[str, Any]

TABLE_3 = "Table 3"
BLOCKS: dict[str, tuple[str, ...]] = {
    TABLE_3: (*("samples", *STATISTICS, "pch", "nlh", "pch_oa", "nlh_oa", "pch_each", "nlh_each", "nll", "note"),),
    "likelihood, nats": ("nll", "nll_per_note", "nll_told", "nll_told_per_note", "per_token", "se", "z", "per_note"),
    "follows its drums": (
        *("agreement", "agreement_null", "agreement_sd", "agreement_z", "agreement_t", "agreement_above"),
        "agreement_parts",
    ),
    "notes in a row as in a training segment": (
        *("common_run_median", "common_run_p95", "common_run_max", "common_run_share_p95"),
    ),
    "listening by measurement": (*LISTENING, "in_chord_said", "chord_changes_said_per_bar"),
}
"""The blocks of columns on the screen; the JSON has more."""

# What the paper prints, for comparison; its corpus is another, and its tokens are.
_PAPER: dict[str, dict[str, tuple[float, ...]]] = {
    "piano": {
        "dataset": (5.48, 6.16, 0.31),
        "Drum2Piano w.o. memory": (7.17, 4.63, 0.12, 0.63, 0.52, 0.77),
        "Drum2Piano": (6.82, 5.86, 0.14, 0.63, 0.54, 0.53),
    },
    "guitar": {
        "dataset": (5.33, 5.51, 0.22),
        "Drum2Guitar w.o. memory": (3.54, 8.94, 0.52, 0.56, 0.46, 0.58),
        "Drum2Guitar": (5.63, 5.69, 0.13, 0.64, 0.51, 0.40),
    },
}


def quoted(instrument: str) -> list[Row]:
    """What the paper prints for an instrument."""
    names = (*STATISTICS, "pch", "nlh", "nll")
    return [
        {"name": f"paper: {name}", **dict(zip(names, figures, strict=False)), "quoted": True}
        for name, figures in _PAPER[instrument].items()
    ]


def as_text(content: dict[str, Any]) -> str:
    """The table for the screen, in blocks of columns."""
    blocks = [content["table"]]
    for instrument in INSTRUMENTS:
        own = [row for row in content["rows"] if row["instrument"] == instrument]
        for title, columns in BLOCKS.items():
            rows = [row for row in own if any(key in row for key in columns) and _belongs(row, title)]
            shown = [key for key in columns if any(key in row for row in rows)]
            cut = [{"name": row["name"]} | {key: row.get(key) for key in shown} for row in rows]
            if cut:
                blocks.append(tables.as_text({"table": f"-- {instrument}: {title}", "rows": cut}))
    return "\n\n".join(blocks)


def _belongs(row: Row, title: str) -> bool:
    """What the paper prints is shown in its table alone."""
    return title == TABLE_3 or not row.get("quoted")
