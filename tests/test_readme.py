"""The README says what the project does: its figures are those of the results, its links and commands exist."""

import json
import re
from pathlib import Path

import pytest
import typer

from kinebeat.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows(name: str) -> dict[str, dict]:
    content = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return {row["name"]: row for row in content["rows"]}


def short(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("0.", ".", 1)


@pytest.mark.parametrize(
    ("label", "row"),
    [
        ("Kinebeat", "pooled"),
        ("Kinebeat, against lowest speed instead of braking", "pooled, lowest speed"),
        ("Kinebeat, against acceleration", "pooled, peaks of acceleration"),
        ("metronome in eighths at the same tempo", "baseline: metronome in eighths"),
        ("RhythmicNet's rhythm of beats and style, on our grid", "baseline: RhythmicNet's beats and style"),
        ("as many onsets at random", "baseline: onsets at random"),
    ],
)
def test_alignment_figures(label, row):
    found = rows("alignment")[row]
    there, back = found["movement_to_sound"], found["sound_to_movement"]
    said = (
        f"| {label} | {short(there, 2)} | {short(found['null_mean'], 2)} | {found['z']:.1f} "
        f"| {short(back, 2)} (null {short(found['sound_to_movement_null'], 2)}) | {found['onsets_per_s']:.1f} |"
    )
    assert said in README


def test_drum_figures():
    found = rows("drums")
    for label, row in (
        ("transformer with hit words + U-Net (ours)", "TF w. hits sequence + U-Net"),
        ("GrooVAE, our re-implementation", "GrooVAE (own)"),
    ):
        figures = found[row]
        said = (
            f"| {label} | {figures['ndb']} | {short(figures['velocity_mse'], 4)} | {short(figures['offset_mse'], 4)} |"
        )
        assert said in README


def test_cost_figures():
    speed, memory = rows("speed"), rows("memory")
    assert f"{speed['whole run']['s_per_s_of_video']:.2f} s per second of video" in README
    assert f"{speed['whole run / pose alone']['ratio']:.2f} times" in README
    assert f"{memory['1 minutes']['peak_megabytes']:.0f} MB for a one-minute" in README
    assert f"{memory['10 minutes']['peak_megabytes']:.0f} MB for a ten-minute" in README
    assert f"models of the drums weigh {speed['shipped weights']['megabytes']:.1f} MB" in README


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_options_of_the_examples_exist():
    verbs = typer.main.get_command(app).commands
    for verb, rest in re.findall(r"^kinebeat (\w+)(.*)$", README, flags=re.MULTILINE):
        known = {name for parameter in verbs[verb].params for name in parameter.opts}
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in known, (verb, option)


@pytest.mark.parametrize(
    ("label", "row"),
    [
        ("Kinebeat", "product"),
        ("TCN", "TCN"),
        ("ST-GCN+TF+SSM+RelAttn", "ST-GCN+TF+SSM+RelAttn"),
        ("speed minima", "speed minima"),
        ("metronome, true tempo, random phase", "metronome, true tempo, random phase"),
    ],
)
def test_beat_figures(label, row):
    content = json.loads((ROOT / "benchmarks" / "results" / "beats.json").read_text(encoding="utf-8"))
    warped, street = (
        next(found for found in content["rows"] if (found["set"], found["name"]) == (kind, row))
        for kind in ("warped", "street")
    )
    cells = [over_seeds(warped, row), *(short(warped[name], 2) for name in ("cmlt", "amlt", "tempo_within_4pct"))]
    cells += [over_seeds(street, row), *(short(street[name], 2) for name in ("f_after_lag", "cmlt"))]
    assert f"| {label} | {' | '.join(cells)} |" in README


def over_seeds(figures, row):
    """F, with its spread over the trainings of a network."""
    trained = figures["seeds"] > 1 and not row.startswith("metronome")
    return short(figures["f"], 2) + (f" ± {short(figures['f_sd_seeds'], 2)}" if trained else "")


def test_the_cost_of_the_beat():
    found = rows("beats_speed")
    slowest = max(row["p95_cpu_ms_per_s"] for name, row in found.items() if name.startswith("hear_beats"))
    assert f"{slowest:.1f} ms of CPU per second of video" in README
    assert f"the network weighs {found['weight files']['megabytes']:.1f} MB" in README


def test_what_drums_and_memory_are_worth():
    content = json.loads((ROOT / "benchmarks" / "results" / "accompaniment_ablation.json").read_text(encoding="utf-8"))
    found = {(row["set"], row["instrument"], row["name"].split(", ")[1]): row for row in content["rows"]}
    drums = [found["steps-3391", instrument, "unconditional"] for instrument in ("piano", "guitar")]
    told = [f"{short(row['whole_is_lower_by'], 3)} ± {short(row['se'], 3)}" for row in drums]
    assert f"one of as many steps is {told[0]} and {told[1]} worse" in README
    memory = [short(found["steps-1500", name, "no memory"]["whole_is_lower_by"], 2) for name in ("piano", "guitar")]
    assert f"is {memory[0]} (piano) and {memory[1]} (guitar) nats worse (after 1,500 steps)" in README


def test_what_is_played_without_drums():
    content = json.loads((ROOT / "benchmarks" / "results" / "accompaniment_variants.json").read_text(encoding="utf-8"))
    said = [row["agreement_z"] for row in content["rows"] if row["name"] == "Kinebeat, unconditional"]
    assert f"agrees with none (z {short(said[0], 1)}, {short(said[1], 1)};" in README


@pytest.mark.parametrize("instrument", ["piano", "guitar"])
@pytest.mark.parametrize(
    ("label", "row"), [("Kinebeat", "Kinebeat"), ("Kinebeat in the product", "Kinebeat, as in the product")]
)
def test_the_accompaniment(instrument, label, row):
    content = json.loads((ROOT / "benchmarks" / "results" / "accompaniment.json").read_text(encoding="utf-8"))
    found = next(r for r in content["rows"] if (r["instrument"], r["name"]) == (instrument, row))
    cells = [f"{found['pc_per_bar']:.2f}", f"{found['pi']:.2f}", short(found["ioi_s"], 3)]
    cells += [f"{short(found[f'pch{kind}'], 2)}, {short(found[f'nlh{kind}'], 2)}" for kind in ("_oa", "")]
    null = f"{short(found['agreement_null'], 2)}; z {found['agreement_z']:.1f}"
    cells.append(f"{short(found['agreement'], 2)} ({null})")
    assert f"| {label} | {' | '.join(cells)} |" in README


@pytest.mark.parametrize(
    ("label", "kind", "row"),
    [
        ("unseen players (12 films): Kinebeat", "unseen players", "Kinebeat"),
        ("Kinebeat, by the joints alone", "unseen players", "Kinebeat, by the joints alone"),
        ("nearest key under the fingertip", "unseen players", "nearest key under the fingertip"),
        ("what Kinebeat hears in another film", "unseen players", "Kinebeat, in another clip"),
        ("notes drawn from what is usual", "unseen players", "what is usual, drawn blindly"),
        ("TestSet (6 films): Kinebeat", "TestSet clips", "Kinebeat"),
        ("Kinebeat, by the joints alone", "TestSet clips", "Kinebeat, by the joints alone"),
        ("nearest key under the fingertip", "TestSet clips", "nearest key under the fingertip"),
    ],
)
def test_the_musicians(label, kind, row):
    content = json.loads((ROOT / "benchmarks" / "results" / "performance.json").read_text(encoding="utf-8"))
    wanted = (kind, "all", row)
    found = next(r for r in content["rows"] if (r["set"], r.get("playing"), r["name"]) == wanted)
    cells = [f"{short(found[f'{what}_f'], 2)} ({short(found[f'{what}_f_aligned'], 2)})" for what in ("onset", "pitch")]
    spread = [f"{short(found[f'class_f{how}'], 2)} ± {short(found[f'class_f{how}_se'], 2)}" for how in ("", "_aligned")]
    cells += [f"{spread[0]} ({spread[1]})", short(found["density_ratio"], 1)]
    assert f"| {label} | {' | '.join(cells)} |" in README


def test_the_latency():
    content = json.loads((ROOT / "benchmarks" / "results" / "latency.json").read_text(encoding="utf-8"))
    found = {(r["part"], r["name"], r.get("stage")): r for r in content["rows"]}
    ours = "InteractiveBeat, looking no further than the engine"
    for label, name, stage in (
        ("the same, looking no further than the engine", ours, "all, with directogram"),
        ("Kinebeat's engine, 16th by 16th", "Kinebeat's engine, frames that give drums", "keypoints to events"),
    ):
        row = found["model step", name, stage]
        line = next(line for line in README.splitlines() if line.startswith(f"| {label} |"))
        assert f"| {row['p50_ms']:.1f} / {row['p99_ms']:.1f} ms |" in line
    step = found["model step", ours, "all"]
    assert f"it is {step['p50_ms']:.1f} ms (p50; p99 {step['p99_ms']:.1f})" in README
    frame = found["frame in, events out", "every frame that was looked at", None]
    told = f"{frame['p50_ms']:.0f} ms (p50; p95 {frame['p95_ms']:.1f}, p99 {frame['p99_ms']:.1f})"
    assert told in README


def test_the_speed_of_performances():
    films = [row for row in rows("performance_speed").values() if "s_per_s" in row]
    taken = [row["s_per_s"] for row in films if row["instrument"] == "piano"]
    assert f"A second of a pianist's film takes {short(max(taken), 2)} s on two cores" in README
    (body,) = (row["s_per_s"] for row in films if row["instrument"] != "piano")
    assert f"{short(body, 2)} where a body" in README.replace("\n", " ")


def test_the_throughput_of_a_batch():
    told = (ROOT / "docs" / "batch.md").read_text(encoding="utf-8").replace("\n", " ")
    ratios = {name: row["ratio"] for name, row in rows("batch_throughput").items() if "ratio" in row}
    for what, words in (
        ("single runs, one core", "times as quick as single runs on one core each"),
        ("batch, 1 worker, one core", "times as quick as a batch of one worker on one core"),
        ("single runs, 2 cores", "times as quick as single runs that have both cores"),
    ):
        assert f"{ratios[f'throughput of the batch against {what}']:.1f} {words}" in told


def test_the_figures_of_the_studio():
    """What README and docs/studio.md say of waiting, load and wrong inputs."""
    readme = README.replace("\n", " ")
    speed, load, wrong = rows("studio_speed"), rows("studio_load"), rows("studio_fuzz")
    first = speed["first sound, 10 s clip"]["p50_s"]
    seed, density = speed["change of seed, 10 s clip"], speed["change of density, 10 s clip"]
    assert f"its first sound is heard after {first:.1f} s" in readme
    assert (
        f"after {seed['p50_s']:.2f} s (p95 {seed['p95_s']:.2f}), of the density after {density['p50_s']:.2f} s"
        in readme
    )
    piano = speed["change of seed with piano, 10 s clip"]
    assert f"played anew too, after {piano['p50_s']:.1f} s (p95 {piano['p95_s']:.1f})" in readme
    late_ms = load["session, with 20 jobs"]["late_all_p95_ms"]
    assert f"{late_ms:.1f} ms late (p95" in readme
    assert load["session, with 20 jobs"]["jobs_done"] == 20
    assert sum(row["inputs"] for row in wrong.values()) == 1000
    for row in wrong.values():
        assert row["crashes"] == row["hangs_over_30_s"] == row["stray_files"] == 0
        assert row["grown_mb"] < 100
