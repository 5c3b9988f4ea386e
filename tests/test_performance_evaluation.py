"""The table of performances, and what stands beside it, on clips, hands and keyboards made by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from command_line import run
from kinebeat.errors import InputError, OptionError
from kinebeat.evaluation import performance as table
from kinebeat.evaluation import tables
from kinebeat.evaluation.fingertips import SHIPPED, Thresholds, fingertips, keys_under_fingertips, struck, tuned
from kinebeat.evaluation.note_audio import Room, fit_ndb
from kinebeat.evaluation.note_metrics import note_figures
from kinebeat.evaluation.performance import Method
from kinebeat.evaluation.performance_baselines import elsewhere, fit_prior, until
from kinebeat.performance.notes import Notes
from kinebeat.performance.piano_keys import CENTRE_U, LOWEST_PITCH
from kinebeat.performance.truth.alignment import align
from kinebeat.performance.truth.piano_videos import PianoClip
from kinebeat.performance.truth.watching import Seen
from kinebeat.skeleton import LAYOUTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALE = (60, 62, 64, 65, 67, 69, 71, 72)
NAMES = LAYOUTS["body25_hands"].joints


@dataclass(frozen=True)
class FlatKeyboard:
    """A keyboard whose white keys are ten pixels wide and sixty long; its player sits below."""

    def key_units(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([xy[..., 0] / 10, (200 - xy[..., 1]) / 60], -1)

    def pixels(self, uv: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([uv[..., 0] * 10, 200 - uv[..., 1] * 60], -1)


def scale(times: int = 3, start_s: float = 1.0, step_s: float = 0.5) -> Notes:
    onset_s = start_s + step_s * np.arange(len(SCALE) * times)
    return Notes.of(onset_s, onset_s + 0.4 * step_s, np.tile(SCALE, times))


def right_index(notes: Notes, duration_s: float, v: float = 0.25) -> Any:
    """A performer whose right index finger goes from key to key and rests on each from its onset on."""
    times_s = np.arange(0, duration_s, 0.05)
    xy = np.full((len(times_s), len(NAMES), 2), np.nan, np.float32)
    arrive = np.repeat(notes.onset_s, 2) + np.tile([-0.15, 0.0], len(notes))
    keys_u = CENTRE_U[notes.pitch - LOWEST_PITCH]
    u = np.interp(times_s, arrive, np.concatenate([keys_u[:1], np.repeat(keys_u, 2)[:-1]]))
    for finger, behind_u, behind_v in (("index", 0.0, 0.0), ("middle", 0.9, 0.5), ("ring", 1.8, 0.5)):
        uv = np.stack([u + behind_u, np.full(len(u), v - behind_v)], -1)
        xy[:, NAMES.index(f"right_hand_{finger}4")] = FlatKeyboard().pixels(uv)
    return SimpleNamespace(track=SimpleNamespace(xy=xy, times_s=times_s, layout="body25_hands"))


def clip(name: str, folder: str, split: Any, notes: Notes, *, one_finger: bool = True) -> PianoClip:
    return PianoClip(name, Path(f"{name}.mp4"), folder, "", split, notes, one_finger, 15.0)


def clips() -> list[PianoClip]:
    thirds = Notes.of(
        np.tile(scale().onset_s, 2), np.tile(scale().offset_s, 2), np.append(scale().pitch, scale().pitch + 4)
    )
    return [
        clip("a", "9", "test-players", scale()),
        clip("b", "9", "test-players", thirds.later(0.4), one_finger=False),
        clip("c", "13", "test-players", scale().later(0.2)),
        clip("d", "test", "test-clips", thirds, one_finger=False),
        clip("e", "2", "train", scale(2)),
        clip("f", "3", "train", thirds, one_finger=False),
    ]


# Nearest key under the fingertip


def test_a_finger_that_stops_on_a_key_has_struck_it() -> None:
    heard = keys_under_fingertips(right_index(scale(), 14.0), FlatKeyboard())
    got = note_figures(scale(), heard)
    assert got["pitch_f"] > 0.9
    assert 0.85 < got["density_ratio"] < 1.2  # the other fingers, which move as well, are bent


def test_black_keys_are_reached_farther_in() -> None:
    chromatic = Notes.of(1 + 0.5 * np.arange(12), 1.3 + 0.5 * np.arange(12), 60 + 7 * np.arange(12) % 12)
    # on the middle line of a black key, but too near to the player for it
    front = keys_under_fingertips(right_index(chromatic, 8.0, v=0.2), FlatKeyboard())
    inner = keys_under_fingertips(right_index(chromatic, 8.0, v=0.6), FlatKeyboard())
    black = {61, 63, 66, 68, 70}
    assert not black & set(front.pitch.tolist())
    assert black <= set(inner.pitch.tolist())


def test_hands_that_are_not_there_or_beside_the_keys_play_nothing() -> None:
    performer = right_index(scale(), 14.0, v=-0.5)
    assert len(keys_under_fingertips(performer, FlatKeyboard())) == 0
    performer.track.xy[:] = np.nan
    assert len(keys_under_fingertips(performer, FlatKeyboard())) == 0


def test_a_resting_hand_plays_nothing_and_noise_is_no_error() -> None:
    still = Notes.of([1.0], [9.0], [60])
    assert len(keys_under_fingertips(right_index(still, 14.0), FlatKeyboard())) == 0
    noisy = right_index(scale(), 14.0)
    noisy.track.xy[:] += np.random.default_rng(0).normal(0, 60, noisy.track.xy.shape).astype(np.float32)
    heard = keys_under_fingertips(noisy, FlatKeyboard())
    assert note_figures(scale(), heard)["pitch_f"] < 0.3


def test_short_gaps_are_bridged_and_long_ones_are_not() -> None:
    performer = right_index(scale(), 14.0)
    performer.track.xy[100:103] = performer.track.xy[200:220] = np.nan
    tips = fingertips(performer, FlatKeyboard())
    unseen = ~np.isfinite(tips.u[:, 1, 1])
    assert not unseen[:390].any()
    assert unseen[400:436].all()
    assert not unseen[441:].any()


def test_one_frame_is_no_performance() -> None:
    performer = right_index(scale(), 0.05)
    assert len(keys_under_fingertips(performer, FlatKeyboard())) == 0


def test_the_thresholds_are_found_that_hear_the_most() -> None:
    tips = fingertips(right_index(scale(), 14.0), FlatKeyboard())
    deaf = replace(SHIPPED, moving=200.0)
    assert len(struck(tips, deaf)) == 0
    late = scale().later(-0.15)
    before = note_figures(late, struck(tips, SHIPPED))["class_f"]
    shares: list[float] = []
    found, f = tuned([(tips, late)], rounds=40, progress=shares.append)
    assert isinstance(found, Thresholds)
    assert f == note_figures(late, struck(tips, found))["class_f"] > before
    assert shares[-1] == 1


# What is usual


def test_what_is_drawn_blindly_is_as_usual_as_what_was_played() -> None:
    prior = fit_prior([clip("a", "1", "train", scale(3)), clip("b", "2", "train", scale(3).later(0.5))])
    rng = np.random.default_rng(0)
    drawn = [prior.draw(15.0, rng) for _ in range(50)]
    assert np.mean([len(notes) for notes in drawn]) == pytest.approx(24, abs=1.5)
    assert set(np.concatenate([notes.pitch for notes in drawn])) == set(SCALE)
    assert {round(float(step), 6) for notes in drawn for step in np.diff(notes.onset_s)} == {0.5}
    assert {float(notes.onset_s[0]) for notes in drawn} == {1.0, 1.5}
    assert all(notes.onset_s[-1] <= 15 for notes in drawn)
    assert len({tuple(notes.pitch) for notes in drawn}) > 40


def test_chords_are_drawn_as_chords_of_different_notes() -> None:
    chord = Notes.of(np.repeat(1 + np.arange(10.0), 3), np.repeat(1.5 + np.arange(10.0), 3), np.tile([60, 64, 67], 10))
    drawn = fit_prior([clip("a", "1", "train", chord)]).draw(15.0, np.random.default_rng(0))
    onsets, sizes = np.unique(drawn.onset_s, return_counts=True)
    assert len(onsets) == 10
    assert set(sizes) <= {2, 3}  # three of three notes are not always found
    assert len({(float(at), int(p)) for at, p in zip(drawn.onset_s, drawn.pitch, strict=True)}) == len(drawn)


def test_a_prior_of_one_note_draws_one_note_and_of_none_there_is_none() -> None:
    one = fit_prior([clip("a", "1", "train", scale()[:1]), clip("b", "1", "train", Notes.none())])
    assert len(one.draw(15.0, np.random.default_rng(0))) == 1
    assert len(one.draw(0.5, np.random.default_rng(0))) == 0
    with pytest.raises(OptionError, match="no notes to learn from"):
        fit_prior([])


# Other clips


def test_another_players_clip_stands_in_that_is_played_in_the_same_way() -> None:
    known = clips()[:4]
    names = [[known[i].name for i in elsewhere(known, k)] for k in range(4)]
    assert names == [["c"], ["d"], ["a"], ["b"]]
    assert elsewhere(known[:2], 0) == [1]  # no other player: another clip of the same one
    assert elsewhere(known[:1], 0) == []
    assert len(elsewhere([clip(str(i), str(i), "train", scale()) for i in range(20)], 3)) == 8


def test_what_begins_after_the_end_is_left_out() -> None:
    assert until(scale(), 2.0).onset_s.tolist() == [1.0, 1.5]


# The table


def perfect(_training: Any) -> list[Method]:
    return [
        Method("knows", lambda seen, _rng: seen.performer, mismatched=True),
        Method("silent", lambda _seen, _rng: Notes.none()),
        Method("refuses", _refuse),
        Method("draws", lambda seen, rng: seen.performer[:: int(rng.integers(1, 3))], draws=4),
    ]


def _refuse(_seen: Any, _rng: Any) -> Notes:
    raise InputError("a.mp4", "no hands", "show some")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "read_clips", lambda _data: clips())


@pytest.fixture
def no_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave Table 3 out, which takes seconds."""
    monkeypatch.setattr(table, "score_ndb", lambda *_, **__: [])


def see(shown: PianoClip, _keypoints: Path | None) -> Seen:
    everything: Any = shown.notes
    return Seen(everything, None, shown.duration_s)


@pytest.mark.usefixtures("made")
def test_every_method_is_scored_on_every_set_and_way_of_playing() -> None:
    told: list[tuple[str, float]] = []
    content = table.evaluate_performance(
        Path("data"), methods=perfect, look=see, cells=4, progress=lambda stage, share: told.append((stage, share))
    )
    rows = {(row["set"], row.get("playing"), row["name"]): row for row in content["rows"]}
    assert {key[:2] for key in rows} == {
        *(("unseen players", playing) for playing in ("all", "two hands", "one finger")),
        *(("TestSet clips", playing) for playing in ("all", "two hands")),
        (table.TABLE_3, None),
        (table.ALIGNMENT, None),
    }
    best = rows["unseen players", "all", "knows"]
    assert (best["clips"], best["players"], best["notes"]) == (3, 2, 24 + 48 + 24)
    assert [best[f"{kind}_f"] for kind in ("onset", "pitch", "class")] == [1, 1, 1]
    assert (best["class_f_se"], best["class_f_se_players"], best["unheard"]) == (0, 0, 0)
    for name in ("silent", "refuses"):
        worst = rows["unseen players", "all", name]
        assert (worst["onset_f"], worst["density_ratio"], worst["unheard"]) == (0, 0, 3)
    drawn = rows["unseen players", "all", "draws"]
    assert 0.6 < drawn["class_f"] < 1
    assert drawn["class_precision"] == 1
    assert 0.5 < drawn["density_ratio"] < 1
    # a and c are the same scale 0.2 s apart, so that what is heard in one is wrong in the other; b and d 0.4 s
    assert rows["unseen players", "one finger", "knows, in another clip"]["onset_f"] == 0
    assert rows["TestSet clips", "all", "knows"]["clips"] == 1
    assert rows["TestSet clips", "all", "knows"]["class_f_se"] is None
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert told[-1] == ("NDB", 1.0)


@pytest.mark.usefixtures("made")
def test_the_same_seed_gives_the_same_table_and_the_screen_shows_it() -> None:
    contents = [table.evaluate_performance(Path("data"), methods=perfect, look=see, cells=4, seed=3) for _ in range(2)]
    assert contents[0] == contents[1]
    text = table.as_text(contents[0])
    for words in ("-- unseen players, two hands", "-- TestSet clips, all", "paper: Foley Music", "class_f_se"):
        assert words in text


@pytest.mark.usefixtures("made", "no_sound")
def test_the_baselines_know_no_notes() -> None:
    def look(shown: PianoClip, _keypoints: Path | None) -> Seen:
        keyboard: Any = FlatKeyboard() if shown.name != "c" else None
        return Seen(right_index(scale(), 14.0), keyboard, shown.duration_s)

    content = table.evaluate_performance(Path("data"), methods=table.baselines, look=look, cells=4)
    rows = {
        row["name"]: row for row in content["rows"] if (row["set"], row.get("playing")) == ("unseen players", "all")
    }
    assert list(rows) == [
        "what is usual, drawn blindly",
        "nearest key under the fingertip",
        "nearest key under the fingertip, in another clip",
    ]
    assert rows["nearest key under the fingertip"]["unheard"] == 1  # without a keyboard nothing is heard
    assert rows["nearest key under the fingertip"]["class_f"] > 0.3
    assert 0 < rows["what is usual, drawn blindly"]["class_f"] < 0.3


@pytest.mark.usefixtures("made", "no_sound")
def test_notes_that_are_listed_late_are_scored_as_listed_and_as_the_hands_play_them() -> None:
    def look(shown: PianoClip, _keypoints: Path | None) -> Seen:
        keyboard: Any = FlatKeyboard()
        return Seen(right_index(shown.notes.later(-0.3), 14.0), keyboard, shown.duration_s)

    def known(training: Any) -> list[Method]:
        return [table.baselines(training)[1]]

    content = table.evaluate_performance(Path("data"), methods=known, look=look, cells=4)
    rows = {(row["set"], row.get("playing"), row["name"]): row for row in content["rows"]}
    row = rows["unseen players", "one finger", "nearest key under the fingertip"]
    assert row["pitch_f"] == 0
    assert row["pitch_f_aligned"] > 0.9
    late = rows[table.ALIGNMENT, None, "a"]
    # the finger rests for 150 ms longer than the note sounds, so that earlier is as good
    assert 0.1 <= late["lag_s"] <= 0.32
    assert late["agreement"] > 0.95 > late["agreement_listed"]


# The clock of the notes


@pytest.mark.parametrize("lag_s", [-0.55, -0.2, 0.0, 0.3, 0.7])
def test_a_constant_lag_is_found(lag_s: float) -> None:
    played = scale()
    # a finger rests from the onset until shortly before the next: the middle of that is taken
    held = Notes.of(played.onset_s, played.onset_s + 0.35, played.pitch)
    found = align(held.later(lag_s), right_index(played, 15.0), FlatKeyboard())
    assert found.lag_s == pytest.approx(lag_s, abs=0.04)
    assert found.agreement > 0.95
    assert (found.listed > 0.95) == (lag_s == 0)


def test_where_there_is_nothing_to_go_by_there_is_no_lag() -> None:
    nothing = (0.0, 0.0, 0.0)
    performer = right_index(scale(), 14.0)
    assert align(Notes.none(), performer, FlatKeyboard()) == nothing
    assert align(Notes.of([1.0], [2.0], [5]), performer, FlatKeyboard()) == nothing  # no key of a piano
    performer.track.xy[:] = np.nan
    assert align(scale(), performer, FlatKeyboard()) == nothing


def test_the_product_is_asked_as_it_is_and_for_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        order = ((False, True), (False, False), (True, True))

        def __init__(self, model: Any, *, words: bool = False, pictures: bool = True) -> None:
            assert model == "weights"
            self.told = (words, pictures)

        def play(self, *told: Any, film: Any, seed: int) -> Notes:
            assert (*told[1:], film) == ("keys", "piano", "film")
            return scale(self.order.index(self.told) + 1)

    monkeypatch.setattr("kinebeat.performance.model.PerformanceModel.of", lambda instrument: "weights")
    monkeypatch.setattr("kinebeat.performance.player.Player", Fake)
    methods = table.standard_methods(clips())
    assert [method.name for method in methods] == [
        *("Kinebeat", "Kinebeat, by the joints alone", "Kinebeat, the decoder's words"),
        *(method.name for method in table.baselines(clips())),
    ]
    seen: Any = Seen(SimpleNamespace(), "keys", 14.0, "film")
    assert [len(method.play(seen, np.random.default_rng(0))) for method in methods[:3]] == [8, 16, 24]


def test_a_missing_data_folder_is_an_error(tmp_path: Path) -> None:
    assert run("evaluate", "performance", "--data", tmp_path, "-q") == 2


@pytest.mark.usefixtures("made")
def test_the_verb_prints_and_writes_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}

    def evaluate(data: Path, **options: Any) -> dict[str, Any]:
        asked.update(options)
        options["progress"]("a", 1.0)
        return {
            "table": "performance",
            "rows": table.score_films(clips(), {"truth": [[c.notes] for c in clips()]}, [0.0] * 6),
        }

    monkeypatch.setattr(table, "evaluate_performance", evaluate)
    out = tmp_path / "out.json"
    words = ("--data", tmp_path, "--json", out, "--keypoints", tmp_path, "--validation", "--seed", 4, "-q")
    assert run("evaluate", "performance", *words) == 0
    assert (asked["seed"], asked["splits"], asked["keypoints"]) == (4, ("validation",), tmp_path)
    assert "-- unseen players, all" in capsys.readouterr().out
    assert '"class_f_se_players": 0.0' in out.read_text(encoding="utf-8")


def test_a_table_of_one_row_can_be_shown() -> None:
    rows = [{"set": "x", "name": "y", "class_f": 0.5, "class_f_se": None}]
    assert "0.5" in table.as_text(tables.table("t", rows, data="d", seconds=1.0))


# NDB


def test_real_music_sounds_like_itself_and_silence_does_not() -> None:
    at_s = np.arange(0.5, 40, 0.5)
    rng = np.random.default_rng(0)
    low = Notes.of(at_s, at_s + rng.uniform(0.1, 1, len(at_s)), rng.integers(36, 60, len(at_s)))
    high = Notes(low.onset_s, low.offset_s, low.pitch + 36, low.velocity)
    ndb = fit_ndb([low, high], cells=4)
    assert ndb([low, high], [low, high]) == 0
    assert ndb([Notes.none()] * 2, [low, high]) > 0
    assert ndb([high, high], [low, high]) > 0


def test_pieces_lie_two_seconds_apart_and_are_equally_loud() -> None:
    room = Room()
    soft = Notes(scale().onset_s, scale().offset_s, scale().pitch, np.full(24, 30))
    pieces = room.pieces(scale(), 1.0, 11.0)
    assert pieces.shape == (4, 40, 100)
    assert np.abs(room.pieces(soft, 1.0, 11.0) - pieces).mean() < 0.05
    assert room.pieces(scale(), 1.0, 4.9).shape == (0, 40, 100)
    assert not room.pieces(Notes.none(), 0.0, 8.0).any()
