"""What a worker does with one clip. An order and its answer are JSON, so that they can go to any process."""

from __future__ import annotations

import errno
import secrets
import shutil
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinebeat import __version__
from kinebeat.batch.clips import MADE, clip_seed, content_sha256, identity
from kinebeat.batch.settings import Resolved
from kinebeat.errors import InputError, KinebeatError, OutputError

if TYPE_CHECKING:
    from kinebeat.batch.clips import Clip
    from kinebeat.outputs import Outputs
    from kinebeat.pipeline import Soundtrack
    from kinebeat.pose.processes import PoseWorkers

Order = dict[str, Any]
"""What is to be done: clip, source, out, settings, version; known, the digest that a clip had when it was done."""
Outcome = dict[str, Any]
"""What came of it, a line of the manifest: clip, outcome ("done", "failed", or "same" as it was before), figures."""

OWN_FOLDER, WORK = ".batch", "work"
"""Folder inside the output folder that holds the lock, and the one in it that holds what is not finished."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Errors that every other clip would meet, too."""
PLAIN = "clip"
"""What a clip is called while it is worked on: its own name may be one that some library cannot take."""
DEFECT_REMEDY = "this is a defect of Kinebeat; please report it with the clip"


def order_of(clip: Clip, out: Path, settings: Resolved, known: str | None) -> Order:
    """What a worker needs to know."""
    return {
        "clip": clip.name,
        "source": str(clip.path),
        "out": str(out),
        "settings": settings.as_json(),
        "version": __version__,
        "known": known,
    }


def failed(order: Order, problem: str, remedy: str, **more: Any) -> Outcome:
    """The outcome of a clip that came to nothing."""
    return {
        "clip": order["clip"],
        "outcome": "failed",
        "problem": problem,
        "remedy": remedy,
        "source": order["source"],
        **more,
    }


def do_clip(order: Order, workers: PoseWorkers | None = None) -> Outcome:
    """Make the soundtracks of one clip; they appear in the output folder whole, one file after the other.

    Args:
        order: from `order_of`.
        workers: who looks for the person; one process for this clip alone if None.

    Returns:
        What came of it. No error is raised for a bad clip: it is told.
    """
    started = {"started": datetime.now(UTC).isoformat(timespec="seconds")}
    begin_s = time.perf_counter()
    try:
        outcome = _done(order, workers)
    except KinebeatError as error:
        problem, remedy = _in_words(error, order["source"])
        outcome = failed(order, problem, remedy)
        if isinstance(error, OutputError) and getattr(error.__cause__, "errno", None) in NO_ROOM:
            outcome["stop"] = True
    except UnicodeEncodeError:
        outcome = failed(order, "its name is not in UTF-8", "rename it")
    except MemoryError:
        outcome = failed(order, "there is not enough memory for it", "use fewer workers, or a smaller video")
    except Exception as error:  # a defect must not take the other clips with it
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        outcome = failed(order, f"{type(error).__name__}: {error} ({where})", DEFECT_REMEDY)
    return outcome | started | {"seconds": round(time.perf_counter() - begin_s, 3)}


def _in_words(error: KinebeatError, source: str) -> tuple[str, str]:
    """Problem and remedy of an error; which file it is about, unless it is the clip."""
    if not isinstance(error, InputError):
        problem, _, remedy = str(error).rpartition("; ")
        return (problem, remedy) if problem else (remedy, "try other options")
    about = "" if str(error.path) == source or OWN_FOLDER in error.path.parts else f"{error.path}: "
    return about + error.problem, error.remedy


def _done(order: Order, workers: PoseWorkers | None) -> Outcome:
    if order["version"] != __version__:
        problem = f"it was begun with Kinebeat {order['version']} and worked on with {__version__}"
        raise KinebeatError(f"{problem}; install the same version everywhere")
    settings, source = Resolved.from_json(order["settings"]), Path(order["source"])
    settings.check_here()
    try:
        before = identity(source)
        sha256 = content_sha256(source)
    except OSError as error:
        raise InputError(source, f"cannot be read ({error.strerror})", "name a clip that is there") from error
    told = {"clip": order["clip"], "outcome": "same", "source": order["source"], **vars(before), "sha256": sha256}
    if sha256 == order["known"]:
        return told
    out = Path(order["out"])
    work = out / OWN_FOLDER / WORK / secrets.token_hex(6)
    try:
        work.mkdir(parents=True)
    except OSError as error:
        raise OutputError(out, f"nothing can be written there ({error.strerror})", "write elsewhere") from error
    try:
        seed = clip_seed(settings.settings.seed, sha256)
        made, files, warnings = _made(source, work, out, order["clip"], settings, seed, workers)
        with suppress(OSError):
            if identity(source) != before:
                raise InputError(source, "was changed while it was worked on", "run the batch again when it is whole")
        outputs = _moved(work, out, order["clip"], files)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    figures = {"seed": seed, "options": settings.key, "kinebeat": __version__, **_figures(made)}
    return told | {"outcome": "done", **figures, "warnings": warnings, "outputs": outputs}


def _made(
    source: Path, work: Path, out: Path, name: str, settings: Resolved, seed: int, workers: PoseWorkers | None
) -> tuple[Soundtrack, list[Path], list[str]]:
    """Make and write the soundtracks; what was made, the files and folders in `work`, and warnings."""
    from kinebeat import soundtrack
    from kinebeat.outputs import BACKGROUND, check_outputs

    wanted = settings.settings
    first = _outputs(source, work, settings)
    numbered = [first.numbered(n + 1) if wanted.variants > 1 else first for n in range(wanted.variants)]
    others = () if wanted.background is None else (BACKGROUND,)
    _check_names(out, name, [path for outputs in numbered for path in outputs.paths()])
    for outputs in numbered:
        check_outputs(outputs, [source], [*wanted.instruments, *others])
    made = soundtrack(
        source,
        tempo_bpm=wanted.tempo_bpm,
        density=wanted.density,
        kit=wanted.kit,
        soundfont=wanted.soundfont,
        seed=seed,
        instruments=wanted.instruments,
        key=wanted.key,
        background=wanted.background,
        background_start_s=wanted.background_start_s,
        workers=1 if workers is None else workers,
    )
    warnings = list(made.warnings)
    for number, outputs in enumerate(numbered):
        variant = made if number == 0 else made.variant(seed + number)
        said = variant.save(
            outputs.video,
            midi=outputs.midi,
            wav=outputs.wav,
            plot=outputs.plot,
            report=outputs.report,
            stems=outputs.stems,
            original=wanted.original,
            overlay=wanted.overlay,
        )
        warnings += [line for line in said if line not in warnings]
    return made, [path for outputs in numbered for path in outputs.paths()], warnings


def _outputs(source: Path, work: Path, settings: Resolved) -> Outputs:
    """What is wanted of a clip, in the folder in which it is made; a WAV takes the place of a video without picture."""
    from kinebeat.outputs import Outputs
    from kinebeat.pose import is_keypoints

    wanted, pictured = settings.settings, not is_keypoints(source)
    base = f"{PLAIN}{MADE}"
    return Outputs(
        video=work / f"{base}.mp4" if pictured else None,
        midi=work / f"{base}.mid" if wanted.midi else None,
        wav=work / f"{base}.wav" if wanted.wav or not pictured else None,
        plot=work / f"{base}.png" if wanted.plot else None,
        report=work / f"{base}.json" if wanted.report else None,
        stems=work / f"{base}.stems" if wanted.stems else None,
    )


def _final(out: Path, name: str, made: Path) -> Path:
    """Where a result of a clip goes."""
    return out / f"{name}{made.name.removeprefix(PLAIN)}"


def _check_names(out: Path, name: str, files: list[Path]) -> None:
    """See before the work is done whether the results may have their names."""
    for path in files:
        try:
            _final(out, name, path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problem = f"its result cannot be written ({error.strerror})"
            raise OutputError(out / name, problem, "give the clip a shorter name") from error


def _moved(work: Path, out: Path, name: str, files: list[Path]) -> dict[str, int]:
    """Move what was made to its place; the size of every file by its path within the output folder.

    Raises:
        OutputError: something is in the way.
    """
    outputs: dict[str, int] = {}
    try:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        for path in files:
            final = _final(out, name, path)
            short = final.relative_to(out).as_posix()
            if path.is_dir():
                if final.is_dir():  # a folder cannot take the place of another that is not empty
                    final.rename(work / f"{path.name}.before")
                outputs |= {f"{short}/{one.name}": one.stat().st_size for one in sorted(path.iterdir())}
            else:
                outputs[short] = path.stat().st_size
            path.replace(final)
    except OSError as error:
        remedy = "make room for it in the output folder"
        raise OutputError(error.filename or out, f"cannot be written ({error.strerror})", remedy) from error
    return outputs


def _figures(made: Soundtrack) -> dict[str, Any]:
    """What a clip's line says of the music."""
    from math import isfinite

    from kinebeat.evaluation.alignment import pooled_alignment

    score = pooled_alignment([made.events()])
    return {
        "duration_s": round(made.duration_s, 3),
        "tempo_bpm": round(made.grid.tempo_bpm, 3),
        "beat_source": made.grid.source,
        "beat_confidence": round(made.grid.confidence, 3),
        "detected_share": round(made.pose.detected_share, 3),
        "accents": len(made.accents.times_s),
        "drum_hits": len(made.score.tracks[0].time_s),
        "notes": {track.name.lower(): len(track.time_s) for track in made.score.tracks[1:]},
        "alignment": round(score.score, 3) if isfinite(score.score) else None,
        "alignment_z": round(score.z, 2) if isfinite(score.z) else None,
        "seconds_by_stage": {stage: round(spent, 3) for stage, spent in made.seconds.items()},
    }
