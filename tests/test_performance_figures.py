"""What the documents say of simulated players is what was measured."""

import json
from pathlib import Path

import pytest

from kinebeat.evaluation.performance_simulated import ABLATED, OTHERS, TABLE_5

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROWS = json.loads((ROOT / "benchmarks" / "results" / "performance_simulated.json").read_text(encoding="utf-8"))["rows"]
FOUND = {(row["set"], row["name"]): row for row in ROWS}
WORDS = "Kinebeat, the decoder's words"


def short(value, digits=2):
    return f"{value:.{digits}f}".replace("0.", ".", 1)


def line(instrument):
    """A row of the table of simulated players."""
    own = FOUND[instrument, "Kinebeat"]
    cells = [short(own["onset_f"]), short(own["pitch_f"]), f"{short(own['class_f'])} ± {short(own['class_f_se'])}"]
    beside = ("Kinebeat, of another player", "what is usual, drawn blindly", WORDS)
    cells += [short(FOUND[instrument, other]["class_f"]) for other in beside]
    return f"| {instrument} | {' | '.join(cells)} | {short(own['density_ratio'], 1)} |"


def nats(name):
    """A row of Table 5."""
    row = FOUND[TABLE_5, name]
    return f"| {name} | {' | '.join(f'{row[instrument]:.2f}' for instrument in OTHERS)} |"


@pytest.mark.parametrize("instrument", OTHERS)
def test_each_instrument_is_said_as_it_was_measured(instrument):
    assert line(instrument) in DOCS
    assert all(FOUND[instrument, name]["truth"] == "simulated" for name in ("Kinebeat", WORDS))


@pytest.mark.parametrize("name", list(ABLATED))
def test_table_5_is_said_as_it_was_measured(name):
    assert nats(name) in DOCS


def test_the_readme_says_the_range_and_that_it_is_simulated():
    own = {name: FOUND[name, "Kinebeat"]["class_f"] for name in OTHERS}
    least, most = min(own, key=own.get), max(own, key=own.get)
    blind = [FOUND[name, "what is usual, drawn blindly"]["class_f"] for name in OTHERS]
    assert f"from {short(own[least])} ({least}) to {short(own[most])} ({most})" in README
    assert f"beside {short(min(blind))} to {short(max(blind))} for notes drawn from what is usual" in README
    assert "simulated players" in README
