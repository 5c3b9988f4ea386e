"""Makes a survey: the page and its videos for whoever takes part, and the key for whoever asks."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from kinebeat import __version__
from kinebeat.clock import Clock
from kinebeat.errors import InputError, OptionError, OutputError
from kinebeat.files import TEMPORARY_PREFIX, check_folder
from kinebeat.survey.page import write_page
from kinebeat.survey.plan import OURS, QUESTIONS, RANDOM, SHUFFLED, SILENT, make_plan
from kinebeat.survey.sounds import versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kinebeat.clock import Progress
    from kinebeat.pipeline import Soundtrack
    from kinebeat.survey.plan import Plan
    from kinebeat.survey.sounds import Sound

KEY, PAGE, MEDIA = "key.json", "page", "media"
LONGEST_NAME = 40
Question = Literal["match", "prefer", "both"]


@dataclass(frozen=True)
class SurveySettings:
    """What is asked, and what the versions are made with.

    Attributes:
        question: "match", "prefer", or "both".
        title: of the page.
        seed: the one source of chance: of the music, the rhythms and the orders.
        density: how busy the players are.
        kit: name of a drum kit.
        soundfont: path of an .sf2 file; one that is found if None.
        instruments: who plays beside the drums.
        one_file: the page holds its videos itself.
    """

    question: Question = "both"
    title: str = "Which sound fits?"
    seed: int = 0
    density: float = 1.0
    kit: str = "standard"
    soundfont: Path | None = None
    instruments: tuple[str, ...] = ()
    one_file: bool = False


def make_survey(
    videos: Sequence[str | Path],
    out: str | Path,
    settings: SurveySettings | None = None,
    *,
    others: Mapping[str, str | Path] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Make a survey: `OUT/page/index.html` with its videos, and `OUT/key.json`, which says whose each version is.

    Args:
        videos: clips of people moving, of about ten seconds.
        out: a folder, which must not be there or be empty; it appears whole or not at all.
        settings: what is asked, and what the versions are made with.
        others: other systems by name: a folder with a file of each video's name (any suffix), or with one video a file.
        workers: processes that look for the person; all cores if None.
        progress: called with the stage and the share of it that is done.

    Returns:
        Warnings, one line each.

    Raises:
        InputError: a video or another system's file cannot be used.
        OptionError: an option is outside what it may be.
        OutputError: the folder is not empty or cannot be written.
    """
    wanted, out = settings or SurveySettings(), Path(out).absolute()
    sources = [Path(video) for video in videos]
    _check(sources, wanted)
    theirs = {name: _results_of(name, Path(path), sources) for name, path in (others or {}).items()}
    _check_new(out)
    plan = _plan(sources, list(theirs), wanted)
    clock, warnings = Clock(progress, {}), []
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=TEMPORARY_PREFIX) as folder:
        whole = Path(folder) / "survey"
        media = whole / PAGE / MEDIA
        media.mkdir(parents=True)
        for number, source in enumerate(sources):
            made = _soundtrack(source, wanted, workers, progress)
            warnings += [f"{source.name}: {line}" for line in made.warnings]
            sounds = versions(made, {name: paths[number] for name, paths in theirs.items()})
            with clock.stage("versions") as report:
                picture = _playable(source, Path(folder) / f"{number}.mp4")
                for count, (name, sound) in enumerate(sounds.items()):
                    _write(picture, sound, media / f"{plan.codes[number][name]}.mp4")
                    report((count + 1) / len(sounds))
        write_page(plan, whole / PAGE, media, title=wanted.title, one_file=wanted.one_file)
        content = json.dumps(_key(plan, sources, wanted), indent=1, ensure_ascii=True)
        (whole / KEY).write_text(content + "\n", encoding="utf-8")
        try:
            whole.replace(out)  # an empty folder may be there
        except OSError as error:
            raise OutputError(out, f"cannot be written ({error.strerror})", "choose another folder") from error
    return tuple(warnings)


def _check(sources: Sequence[Path], wanted: SurveySettings) -> None:
    """Refuse what cannot be asked, before long work is done for it."""
    from kinebeat.pipeline import Settings, checked
    from kinebeat.video_in import probe

    if not sources:
        raise OptionError("no videos to ask about; name some")
    if len({source.stem for source in sources}) < len(sources):
        raise OptionError("two videos have the same name; rename one of them")
    if wanted.question not in get_args(Question):
        raise OptionError(f"question {wanted.question!r}: expected one of {', '.join(get_args(Question))}")
    checked(Settings(None, wanted.density, wanted.kit, wanted.soundfont, wanted.seed, wanted.instruments))
    for source in sources:
        probe(source)


def _results_of(name: str, path: Path, sources: Sequence[Path]) -> list[Path]:
    """Another system's file for each of the videos."""
    from kinebeat.clip_audio import clip_audio

    if name in (OURS, SHUFFLED, RANDOM, SILENT) or not name.isprintable() or not 0 < len(name.strip()) <= LONGEST_NAME:
        raise OptionError(f"{name!r} is no name for another system; choose another, of {LONGEST_NAME} letters at most")
    if not path.exists():
        raise InputError(path, "there is no such file or folder", "name the results of another system")
    found = [path]
    if path.is_dir():
        found = []
        for source in sources:
            alike = sorted(one for one in path.iterdir() if one.is_file() and one.stem == source.stem)
            if len(alike) != 1:
                problem = f"has {len(alike)} files for {source.name}"
                raise InputError(path, problem, f"put one in it that is called {source.stem}, with any suffix")
            found += alike
    elif len(sources) > 1:
        raise InputError(path, f"is one file for {len(sources)} videos", "name a folder with a file of each one's name")
    for one in found:
        if clip_audio(one, 0).warnings:
            raise InputError(one, "has no sound", "give the other system's video with its sound, or the sound alone")
    return found


def _check_new(out: Path) -> None:
    """A survey that people may have begun is never written over: its key would be lost."""
    check_folder(out)
    if out.is_dir() and any(out.iterdir()):
        raise OutputError(out, "is not empty", "choose a new folder for each survey")


def _plan(sources: Sequence[Path], others: Sequence[str], wanted: SurveySettings) -> Plan:
    from kinebeat.batch.clips import content_sha256

    names = [OURS, SHUFFLED, RANDOM, *others, SILENT]
    told = json.dumps([__version__, names, _told(wanted), [content_sha256(source) for source in sources]])
    survey = hashlib.sha256(told.encode()).hexdigest()[:12]
    questions = list(QUESTIONS) if wanted.question == "both" else [wanted.question]
    return make_plan(survey, [source.name for source in sources], names, questions, wanted.seed)


def _told(wanted: SurveySettings) -> dict[str, object]:
    return asdict(wanted) | {"soundfont": None if wanted.soundfont is None else str(wanted.soundfont)}


def _soundtrack(source: Path, wanted: SurveySettings, workers: int | None, progress: Progress | None) -> Soundtrack:
    from kinebeat import soundtrack

    return soundtrack(
        source,
        density=wanted.density,
        kit=wanted.kit,
        soundfont=wanted.soundfont,
        seed=wanted.seed,
        instruments=wanted.instruments,
        workers=workers,
        progress=progress,
    )


def _playable(source: Path, spare: Path) -> Path:
    """The video itself if browsers play its picture, else an encoded copy of that."""
    from kinebeat.video_in import probe
    from kinebeat.video_out import encode

    if probe(source).codec == "h264":
        return source
    encode(source, spare)
    return spare


def _write(picture: Path, sound: Sound, out: Path) -> None:
    from kinebeat.video_out import mux

    mux(picture, sound.blocks(), out)


def _key(plan: Plan, sources: Sequence[Path], wanted: SurveySettings) -> dict[str, object]:
    """What the answers are counted with."""
    return {
        "survey": plan.survey,
        "kinebeat": __version__,
        "settings": _told(wanted),
        "sheets": plan.sheets,
        "videos": [str(source) for source in sources],
        "trials": [asdict(trial) for trial in plan.trials],
    }
