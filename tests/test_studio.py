"""The studio from its API: clips come in, variants are made, heard, changed and taken away; restarts lose nothing."""

import io
import json
import signal
import sqlite3
import wave
import zipfile

import av
import numpy as np
import pytest

from kinebeat.errors import InputError, OptionError
from kinebeat.midi_in import read_drums
from kinebeat.puppet import draw_puppet_video
from kinebeat.studio.folders import shown_name, source_name
from kinebeat.studio.progress import SOUNDTRACK, Progress
from kinebeat.studio.store import MOST_ATTEMPTS, Job, Store, Variant
from kinebeat.studio.wishes import checked_levels, checked_performance, checked_wish
from kinebeat.video_in import probe
from studios import running_studio

SECONDS = 4.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "dancer.mp4"
    draw_puppet_video(path, duration_s=SECONDS, fps=25, size=(240, 320), tempo_bpm=120)
    return path


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with running_studio(tmp_path_factory.mktemp("studio") / "data", waiting=5, variants=3) as running:
        yield running


@pytest.fixture(scope="module")
def job(studio, clip):
    told = studio.wait(studio.upload(clip)["id"])
    assert told["state"] == "done", told
    return told["id"]


def samples(answer) -> np.ndarray:
    with wave.open(io.BytesIO(answer.body)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48_000, 2, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def sound(studio, job, variant, track="drums", from_s=0.0, to_s=8.0):
    path = f"api/jobs/{job}/variants/{variant['number']}/sound/{variant['revision']}/{track}"
    return studio.ask(f"{path}?from_s={from_s}&to_s={to_s}")


def test_a_clip_becomes_a_soundtrack(studio, job):
    told = studio.ask(f"api/jobs/{job}").json
    assert (told["width"], told["height"], told["has_sound"]) == (240, 320, False)
    assert told["duration_s"] == pytest.approx(SECONDS, abs=0.1)
    assert told["done_share"] == 1.0
    variant = studio.ask(f"api/jobs/{job}/variants/1").json
    assert variant["tempo_bpm"] == pytest.approx(120, rel=0.05)
    assert len(variant["beats"]) >= 6
    assert variant["accents"]
    drums = variant["tracks"][0]
    assert len(drums["lanes"]) == 9
    heard = samples(sound(studio, job, variant))
    assert len(heard) == round(told["duration_s"] * 48_000)
    onset = round(max(drums["notes"], key=lambda note: note[2])[0] * 48_000)
    loud = np.abs(heard.astype(int))
    assert loud[onset : onset + 2400].max() > 1000
    assert 10_000 < loud.max() < 32_000
    movement = studio.ask(f"api/jobs/{job}/movement").json
    assert len(movement["deceleration"]) * movement["step_s"] == pytest.approx(SECONDS, abs=0.2)
    assert max(movement["speed"]) == 1.0


def test_stretches_are_the_sound_in_pieces(studio, job):
    variant = studio.ask(f"api/jobs/{job}/variants/1").json
    whole = samples(sound(studio, job, variant))
    pieces = [samples(sound(studio, job, variant, from_s=at, to_s=at + 1.5)) for at in (0.0, 1.5, 3.0)]
    assert np.array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize(
    ("track", "query", "status"),
    [
        ("drums", "from_s=3&to_s=2", 400),
        ("drums", "from_s=0&to_s=99", 400),
        ("drums", "from_s=nan&to_s=1", 400),
        ("tuba", "from_s=0&to_s=1", 404),
        ("..", "from_s=0&to_s=1", 404),
        ("original", "from_s=0&to_s=1", 404),
    ],
)
def test_other_stretches_are_refused(studio, job, track, query, status):
    assert studio.ask(f"api/jobs/{job}/variants/1/sound/1/{track}?{query}").status == status


def test_a_variant_beside_another_is_made_changed_and_removed(studio, job):
    made = studio.ask(f"api/jobs/{job}/variants", "POST", {"seed": 7, "instruments": ["piano"], "key": "Am"})
    assert made.status == 201
    variant = made.json
    number = variant["number"]
    assert number > 1
    assert (variant["revision"], variant["key"]) == (1, "A minor")
    assert [track["name"] for track in variant["tracks"]] == ["drums", "piano"]
    assert np.abs(samples(sound(studio, job, variant, "piano")).astype(int)).max() > 500
    again = studio.ask(f"api/jobs/{job}/variants/{number}", "PUT", {"seed": 8, "density": 0.4, "tempo_bpm": 100}).json
    assert again["revision"] == 2
    assert again["tempo_bpm"] == pytest.approx(100)
    assert [track["name"] for track in again["tracks"]] == ["drums"]
    renamed = studio.ask(
        f"api/jobs/{job}/variants/{number}", "PATCH", {"name": " Slow  one ", "levels": {"drums": -6}}
    ).json
    assert (renamed["name"], renamed["revision"], renamed["settings"]["levels"]["drums"]) == ("Slow one", 2, -6.0)
    assert studio.ask(f"api/jobs/{job}/variants/{number}", "DELETE").status == 204
    assert studio.ask(f"api/jobs/{job}/variants/{number}").status == 404
    assert not (studio.data / "jobs" / job / "variants" / str(number)).exists()
    assert studio.ask(f"api/jobs/{job}/variants/1", "DELETE").status == 409


def test_the_same_settings_are_the_same_music(studio, job):
    made = [studio.ask(f"api/jobs/{job}/variants/1", "PUT", {"seed": seed}).json for seed in (3, 4, 3)]
    notes = [one["tracks"][0]["notes"] for one in made]
    assert notes[0] == notes[2] != notes[1]
    assert np.array_equal(samples(sound(studio, job, made[2])), samples(sound(studio, job, made[2])))
    assert sound(studio, job, made[0]).status == 410  # made anew twice since


def test_a_number_is_not_given_twice(studio, job):
    made = []
    for seed in (11, 12):
        variant = studio.ask(f"api/jobs/{job}/variants", "POST", {"seed": seed}).json
        made.append(variant)
        assert studio.ask(f"api/jobs/{job}/variants/{variant['number']}", "DELETE").status == 204
    assert made[0]["number"] < made[1]["number"]
    assert made[0]["tracks"] != made[1]["tracks"]


def test_there_are_only_so_many_variants(studio, job):
    made = [studio.ask(f"api/jobs/{job}/variants", "POST", {"seed": seed}) for seed in range(3)]
    assert [one.status for one in made] == [201, 201, 409]
    for one in made[:2]:
        assert studio.ask(f"api/jobs/{job}/variants/{one.json['number']}", "DELETE").status == 204


def test_edits_move_the_music(studio, job):
    before = studio.ask(f"api/jobs/{job}/variants/1", "PUT", {}).json
    beat, accent = before["beats"][3], before["accents"][1]
    moved_s = round(beat["time_s"] + 0.06, 4)
    edits = [
        {"what": "beat", "at_s": beat["heard_s"], "to_s": moved_s},
        {"what": "accent", "at_s": accent["heard_s"], "to_s": None},
        {"what": "accent", "at_s": None, "to_s": 1.2345},
    ]
    after = studio.ask(f"api/jobs/{job}/variants/1", "PUT", {"edits": edits}).json
    assert after["beats"][3] == {"time_s": moved_s, "heard_s": beat["heard_s"], "down": beat["down"]}
    heard = {one["heard_s"]: one for one in after["accents"]}
    assert accent["heard_s"] not in heard
    assert heard[None]["time_s"] == pytest.approx(1.2345)
    assert min(abs(note[0] - 1.2345) for note in after["tracks"][0]["notes"]) <= 0.016
    refused = studio.ask(
        f"api/jobs/{job}/variants/1", "PUT", {"edits": [{**edits[0], "to_s": before["beats"][4]["time_s"]}]}
    )
    assert refused.status == 400
    assert set(refused.json) == {"problem", "remedy"}
    assert studio.ask(f"api/jobs/{job}/variants/1").json["settings"]["edits"] == edits
    studio.ask(f"api/jobs/{job}/variants/1", "PUT", {})


def test_everything_can_be_taken_away(studio, job, tmp_path):
    def taken(what):
        answer = studio.ask(f"api/jobs/{job}/variants/1/files/{what}")
        assert answer.status == 200, answer.body
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="dancer.soundtrack.')
        path = tmp_path / what
        path.write_bytes(answer.body)
        return path

    drums = studio.ask(f"api/jobs/{job}/variants/1").json["tracks"][0]["notes"]
    with av.open(str(taken("mp4"))) as container:
        assert len(container.streams.audio) == len(container.streams.video) == 1
    with wave.open(str(taken("wav"))) as file:
        assert file.getnframes() == pytest.approx(SECONDS * 48_000, abs=4800)
    midi = taken("midi").rename(tmp_path / "a.mid")
    assert len(read_drums(midi).track.time_s) == pytest.approx(len(drums), abs=2)  # what sounds as one is one there
    with zipfile.ZipFile(taken("stems")) as archive:
        assert archive.namelist() == ["drums.wav"]
    report = taken("report").read_text()
    assert json.loads(report)["source"] == "dancer.mp4"
    assert str(studio.data) not in report
    assert taken("plot").read_bytes().startswith(b"\x89PNG")
    assert studio.ask(f"api/jobs/{job}/variants/1/files/passwd").status == 404


def test_levels_are_in_what_is_taken_away(studio, job):
    def peak():
        with wave.open(io.BytesIO(studio.ask(f"api/jobs/{job}/variants/1/files/wav").body)) as file:
            raw = np.frombuffer(file.readframes(file.getnframes()), np.uint8).reshape(-1, 3)
        return np.abs(np.pad(raw, ((0, 0), (1, 0))).view("<i4").astype(float)).max() / 2**31

    before = peak()
    studio.ask(f"api/jobs/{job}/variants/1", "PATCH", {"levels": {"drums": -12}})
    assert peak() == pytest.approx(before * 10 ** (-12 / 20), rel=0.02)
    studio.ask(f"api/jobs/{job}/variants/1", "PATCH", {"levels": {"drums": None}})
    assert peak() == 0
    studio.ask(f"api/jobs/{job}/variants/1", "PATCH", {"levels": {}})


def test_parts_of_the_video_can_be_asked_for(studio, job, clip):
    answer = studio.ask(f"api/jobs/{job}/video", headers={"Range": "bytes=10-19"})
    assert answer.status == 206
    assert answer.body == clip.read_bytes()[10:20]
    assert answer.headers["Content-Type"] == "video/mp4"


def test_what_a_browser_cannot_play_is_made_anew_for_it(studio, clip, tmp_path):
    film = tmp_path / "old.avi"
    with av.open(str(clip)) as source, av.open(str(film), "w") as target:
        stream = target.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 240, 320, "yuv420p"
        for frame in source.decode(video=0):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")))
        target.mux(stream.encode(None))
    told = studio.wait(studio.upload(film)["id"])
    assert told["state"] == "done", told
    shown = tmp_path / "shown.mp4"
    shown.write_bytes(studio.ask(f"api/jobs/{told['id']}/video").body)
    assert probe(shown).codec == "h264"
    assert probe(shown).duration_s == pytest.approx(SECONDS, abs=0.2)
    assert studio.ask(f"api/jobs/{told['id']}", "DELETE").status == 204


def test_a_job_that_fails_says_why_and_can_be_tried_again(studio, tmp_path):
    empty = tmp_path / "still.mp4"
    still = tmp_path / "nobody.mp4"
    with av.open(str(still), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(30):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")))
        target.mux(stream.encode(None))
    empty.write_bytes(b"no video at all" * 100)
    for path, problem in ((still, "nobody was found"), (empty, "not a video that can be read")):
        told = studio.wait(studio.upload(path)["id"])
        assert told["state"] == "failed"
        assert problem in told["problem"]
        assert told["remedy"]
        assert studio.ask(f"api/jobs/{told['id']}/variants/1").status == 409
        assert studio.ask(f"api/jobs/{told['id']}/retry", "POST").json["state"] in ("waiting", "working")
        assert studio.wait(told["id"])["state"] == "failed"
        assert studio.ask(f"api/jobs/{told['id']}", "DELETE").status == 204
        assert studio.ask(f"api/jobs/{told['id']}").status == 404


def test_a_restart_loses_nothing(clip, tmp_path):
    with running_studio(tmp_path / "data", live=False) as first:
        done = first.wait(first.upload(clip, "one.mp4")["id"])
        before = first.ask(f"api/jobs/{done['id']}/variants/1").json
        waiting = [first.upload(clip, f"{name}.mp4")["id"] for name in ("two", "three")]
        first.wait(waiting[0], ("working",))
        assert first.stop() == 0
    with running_studio(tmp_path / "data", live=False) as second:
        after = second.ask(f"api/jobs/{done['id']}/variants/1").json
        assert after == before
        assert len(samples(sound(second, done["id"], after))) > 0
        assert {second.wait(name)["state"] for name in waiting} == {"done"}
        newer = second.ask(f"api/jobs/{done['id']}/variants/1", "PUT", {"seed": 2}).json
        assert newer["revision"] == 2


def test_a_studio_that_is_killed_takes_its_work_up_again(clip, tmp_path):
    with running_studio(tmp_path / "data", live=False) as first:
        name = first.upload(clip)["id"]
        first.wait(name, ("working",))
        first.stop(signal.SIGKILL)
    (tmp_path / "data" / "jobs" / ".kinebeat-0123").mkdir()
    with running_studio(tmp_path / "data", live=False) as second:
        assert second.wait(name)["state"] == "done"
        assert [path.name for path in (tmp_path / "data" / "jobs").iterdir()] == [name]


def test_work_that_is_cut_off_again_and_again_fails(tmp_path):
    store = Store(tmp_path / "a.sqlite")
    store.add(Job("0" * 16, "a.mp4", "soundtrack", "waiting", "now"))
    for attempt in range(MOST_ATTEMPTS):
        store.begin("0" * 16)
        failed = store.take_up()
        assert len(failed) == (attempt + 1 == MOST_ATTEMPTS)
    assert store.job("0" * 16).state == "failed"
    assert store.waiting() == []
    store.again("0" * 16)
    store.begin("0" * 16)
    store.put_back("0" * 16)
    assert store.job("0" * 16).attempts == 0
    store.close()


def test_what_is_remembered_is_found_again(tmp_path):
    store = Store(tmp_path / "a.sqlite")
    names = [f"{number:016x}" for number in range(3)]
    for name in names:
        store.add(Job(name, "x'); DROP TABLE jobs;--", "soundtrack", "waiting", "2000-01-01"))
    store.know(names[0], {"duration_s": 2.5})
    store.finish(names[0], Variant(1, "First", 1, {"seed": 3}))
    store.put(names[0], Variant(1, "First", 2, {"seed": 4}))
    store.fail(names[1], "no", "yes")
    store.close()
    again = Store(tmp_path / "a.sqlite")
    assert [job.id for job in again.jobs()] == names[::-1]
    assert again.job(names[0]).facts == {"duration_s": 2.5}
    assert again.variants(names[0]) == [Variant(1, "First", 2, {"seed": 4})]
    assert (again.job(names[1]).problem, again.waiting()) == ("no", [names[2]])
    again.remove(names[0])
    assert again.variants(names[0]) == []
    again.close()


def test_a_memory_that_is_none_or_too_new_is_refused(tmp_path):
    (tmp_path / "bad.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(InputError, match="damaged or no database"):
        Store(tmp_path / "bad.sqlite")
    with sqlite3.connect(tmp_path / "new.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(InputError, match="later Kinebeat"):
        Store(tmp_path / "new.sqlite")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("dance.mp4", "dance.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\clips\\my film.MOV", "my film.MOV"),
        ("<img src=x onerror=alert(1)>.mp4", "img src=x onerror=alert(1).mp4"),
        ("a\x00b\n\u202egpj.mp4", "abgpj.mp4"),
        ("con.mp4", "clip-con.mp4"),
        ("...", "clip"),
        ("", "clip"),
        ("Tänzerin 💃.mp4", "Tänzerin 💃.mp4"),
        ("x" * 9999 + ".mp4", "x" * 96 + ".mp4"),
        ("\udcff.mp4", "clip.mp4"),
    ],
)
def test_names_are_made_harmless(name, shown):
    assert shown_name(name) == shown


@pytest.mark.parametrize(
    ("name", "stored"),
    [("a.MP4", "source.mp4"), ("a.npz", "source.video"), ("a", "source.video"), ("x/../a.sh", "source.video")],
)
def test_stored_names_are_not_the_users(name, stored):
    assert source_name(name) == stored


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        {"seed": -1},
        {"seed": True},
        {"seed": 1.5},
        {"density": float("nan")},
        {"density": 3},
        {"kit": 3},
        {"kit": "x" * 100},
        {"key": "Q"},
        {"instruments": "piano"},
        {"instruments": ["piano", "piano"]},
        {"instruments": [["piano"]]},
        {"tempo_bpm": 5},
        {"tempo_bpm": "120"},
        {"levels": {"drums": 40}},
        {"levels": {"../x": 0}},
        {"levels": []},
        {"edits": {}},
        {"edits": [{"what": "song", "at_s": 1, "to_s": 2}]},
        {"edits": [{"what": "beat", "at_s": float("inf"), "to_s": 2}]},
        {"edits": [{"what": "beat", "at_s": 1, "to_s": 2, "more": 3}]},
        {"edits": [{"what": "beat", "at_s": None, "to_s": None}]},
        {"edits": [{"what": "accent", "at_s": 1, "to_s": 2}] * 11},
        {"soundfont": "/etc/passwd"},
        {"background": "/etc/passwd"},
    ],
)
def test_settings_that_are_none_are_refused(asked):
    with pytest.raises(OptionError):
        checked_wish(asked, 10)


def test_settings_are_filled_up_and_spelled():
    wish = checked_wish({"key": "am", "levels": {"piano": None}}, 10)
    assert wish["key"] == "A minor"
    assert wish["levels"] == {"original": None, "drums": 0.0, "piano": None, "guitar": 0.0}
    assert checked_wish(wish, 10) == wish
    assert checked_levels({"drums": -40})["drums"] == -40.0
    assert checked_levels({"violin": -3}, ["violin", "original"]) == {"original": None, "violin": -3.0}
    with pytest.raises(OptionError):
        checked_levels({"drums": -3}, ["violin", "original"])


@pytest.mark.parametrize(
    "asked", [{"transpose": "1e3"}, {"transpose": "99"}, {"instrument": "kazoo"}, {"key": "x"}, {"sound": "kazoo"}]
)
def test_a_performance_that_cannot_be_is_refused(asked):
    with pytest.raises(OptionError):
        checked_performance(asked)


def test_a_performance_is_asked_for():
    wish = checked_performance({"instrument": "violin", "transpose": "-3", "key": "Bb", "name": "x"})
    assert wish == {"instrument": "violin", "transpose": -3, "key": "Bb major", "sound": None}


def test_progress_never_goes_back():
    progress = Progress(SOUNDTRACK, 30.0)
    shares, left = [], []
    for stage in SOUNDTRACK:
        for share in (0.0, 0.05, 0.5, 1.0):
            progress.report(stage, share)
            shares.append(progress.done_share)
            left.append(progress.left_s)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert left[0] > left[-1] >= 0
