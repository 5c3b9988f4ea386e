"""The cards of shipped models: what a reader should know before using one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def card_text(
    name: str,
    what: str,
    entry: Mapping[str, Any],
    facts: Mapping[str, str],
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]],
    caution: str,
) -> str:
    """A card as Markdown.

    Args:
        name: of the model.
        what: it does, a sentence or two.
        entry: of the registry: "sha256", "licence", "data", "recipe", "date".
        facts: further rows of its first table.
        tables: a sentence, the heads of the columns, and the rows of each table of figures.
        caution: what not to expect.
    """
    lines = [f"# {name}", "", what, "", "| | |", "|---|---|"]
    lines += [f"| file | `{name}.{part}.onnx`, sha256 `{sha256}` |" for part, sha256 in entry["sha256"].items()]
    lines += [f"| licence | {entry['licence']} |", f"| data | {entry['data']} |", f"| recipe | `{entry['recipe']}` |"]
    lines += [f"| date | {entry['date']} |", *(f"| {key} | {value} |" for key, value in facts.items())]
    for sentence, heads, rows in tables:
        lines += ["", sentence, "", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", caution, ""])
