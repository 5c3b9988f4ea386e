"""The worker that looks at clips: checks what was uploaded, looks for the person, hears the beat, hears musicians.

Orders are lines of JSON with a `do`: "ready", "check", "draw" (the demo), "hear", "perform". It yields to all other
processes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinebeat.children import Desk, yield_to_others
from kinebeat.errors import InputError
from kinebeat.studio.rehearsal import rehearsed
from kinebeat.studio.work import answer, folder_of, hide_paths, plain, write_pcm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kinebeat.clock import Progress
    from kinebeat.motion import Motion
    from kinebeat.pose.processes import PoseWorkers
    from kinebeat.studio.folders import JobFolder

    Message = dict[str, Any]

NICENESS = 10
SELF_CONTAINED = "mov,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif,mpegvideo,h264,hevc,mjpeg,dv,mxf,ivf,av1"
"""Kinds of files that hold all they show. A playlist, which may name any file or address, is none of them."""
BROWSER_MEDIA = {
    "mov": ("video/mp4", {"h264", "av1", "vp9"}),
    "matroska": ("video/webm", {"vp8", "vp9", "av1"}),
}
"""By demuxer: the media type under which browsers take a file, and the codecs that they can play in it."""
BROWSER_PIXELS = {"yuv420p", "yuvj420p"}
PREVIEW_SIDE = 1280
PREVIEW_CRF = 24
MOST_POINTS = 6000
DEMO_S = 12.0
PERFORMANCE_FILES = {"video": ".mp4", "wav": ".wav", "midi": ".mid", "plot": ".png", "report": ".json"}


def main() -> None:
    """Serve the studio until its end."""
    yield_to_others(NICENESS)
    desk = Desk()
    workers: PoseWorkers | None = None

    def progress(stage: str, share: float) -> None:
        desk.tell({"stage": stage, "share": share})

    def do(order: Message) -> Message:
        nonlocal workers
        if order["do"] == "check":
            return _check(order)
        if order["do"] == "draw":
            return _draw(order, progress)
        from kinebeat.pose.processes import PoseWorkers

        workers = workers or PoseWorkers(order["workers"])
        if order["do"] == "ready":
            workers.warm_up()
            rehearsed()
            return {}
        if order["do"] == "hear":
            return _hear(order, workers, progress)
        done = _perform(order, workers, progress)
        workers.warm_up()  # for the next that moves; what looks for musicians takes twice the memory
        return done

    try:
        desk.work(lambda order: answer(do, order))
    finally:
        if workers is not None:
            workers.close()


def _check(order: Message) -> Message:
    """Refuse what is no video, or too much of one; say what it is.

    Raises:
        InputError: it cannot be used.
    """
    import av

    from kinebeat.video_in import probe

    source = Path(order["source"])
    try:
        with av.open(str(source), "r", metadata_errors="replace", options={"format_whitelist": SELF_CONTAINED}):
            pass
    except (av.FFmpegError, OSError, ValueError):
        probe(source)  # says more precisely what is wrong, if anything else is
        raise InputError(source, "not a kind of video that is taken here", "convert it to mp4") from None
    info = probe(source)
    largest_side, longest_s = order["largest_side"], order["longest_s"]
    if max(info.width, info.height) > largest_side:
        problem = f"its picture has {info.width} x {info.height} pixels, more than {largest_side} on a side"
        raise InputError(source, problem, "make it smaller")
    length_s = _length_s(source, longest_s)
    if max(length_s, info.duration_s) > longest_s:
        raise InputError(source, f"it is longer than {longest_s / 60:g} minutes", "cut it into pieces")
    return {
        "duration_s": max(length_s, info.duration_s),
        "width": info.width,
        "height": info.height,
        "has_sound": info.has_audio,
        "media": _media(source),
    }


def _length_s(source: Path, longest_s: float) -> float:
    """Seconds from the start to the last picture, as the packets have it, whatever the header says.

    Of a video that is too long it is the first time that is.
    """
    import av

    from kinebeat.video_in import opened

    last_s = 0.0
    with opened(source) as (container, stream):
        origin_s = (container.start_time or 0) / av.time_base
        try:
            for packet in container.demux(stream):
                if packet.pts is not None and packet.time_base is not None:
                    last_s = max(last_s, float(packet.pts * packet.time_base) - origin_s)
                if last_s > longest_s:
                    break
        except (av.FFmpegError, OSError):
            pass  # it is cut off: what can be read is used
    return last_s


def _media(source: Path) -> str | None:
    """The media type under which a browser plays a video; None if it has to be made anew for that."""
    from kinebeat.video_in import opened

    with opened(source) as (container, stream):
        media, codecs = BROWSER_MEDIA.get(container.format.name.split(",")[0], (None, set()))
        known = stream.codec_context.name in codecs and stream.codec_context.pix_fmt in BROWSER_PIXELS
        return media if known else None


def _draw(order: Message, progress: Progress) -> Message:
    """Draw the demo's dancing figure."""
    from kinebeat.files import atomic_output
    from kinebeat.puppet import draw_puppet_video

    progress("drawing", 0.0)
    source = Path(order["source"])
    with atomic_output(source) as temporary:
        draw_puppet_video(temporary, duration_s=order.get("seconds", DEMO_S), seed=order["seed"])
    progress("drawing", 1.0)
    return {}


def _hear(order: Message, workers: PoseWorkers, progress: Progress) -> Message:
    """Hear movement and beat, and keep what was heard, with what the page needs to show and sound the clip."""
    from kinebeat.heard_files import save_heard
    from kinebeat.hearing import hear

    source, folder = Path(order["source"]), folder_of(order)
    heard = hear(source, workers=workers, progress=progress)
    folder.heard.mkdir(exist_ok=True)
    save_heard(heard, folder.heard)
    _write_json(folder.movement, _curves(heard.motion, heard.duration_s))
    _prepare(order, folder, heard.duration_s, progress)
    return {"duration_s": heard.duration_s, "warnings": [plain(line, order) for line in heard.warnings]}


def _prepare(order: Message, folder: JobFolder, duration_s: float, progress: Progress) -> None:
    """Write the clip's own sound and, where a browser cannot play the source, its picture."""
    from kinebeat.audio import RATE_HZ
    from kinebeat.clip_audio import clip_audio

    source = Path(order["source"])
    progress("sound", 0.0)
    if order["has_sound"]:
        write_pcm(clip_audio(source, round(duration_s * RATE_HZ)).blocks(), folder.original)
    progress("sound", 1.0)
    if order["media"] is None:
        _write_preview(source, folder.preview, duration_s, progress)


def _write_preview(source: Path, out: Path, duration_s: float, progress: Progress) -> None:
    """A smaller copy of the picture that every browser plays."""
    from kinebeat.files import atomic_output
    from kinebeat.video_in import frames, probe
    from kinebeat.video_out import write_pictures

    def told() -> Any:
        for time_s, picture in frames(source, max_side=PREVIEW_SIDE):
            progress("picture", min(1.0, time_s / max(duration_s, 1e-3)))
            yield time_s, picture

    progress("picture", 0.0)
    with atomic_output(out) as temporary:
        write_pictures(told(), temporary, fps=probe(source).fps, end_s=duration_s, crf=PREVIEW_CRF)


def _perform(order: Message, workers: PoseWorkers, progress: Progress) -> Message:
    """Hear a musician, and write everything: a performance has one variant."""
    from kinebeat.audio import mix
    from kinebeat.performance.pipeline import perform
    from kinebeat.studio.telling import performance_told

    source, folder, options = Path(order["source"]), folder_of(order), order["options"]
    made = perform(
        source,
        options["instrument"],
        transpose=options["transpose"],
        key=options["key"],
        sound=options["sound"],
        soundfont=order["font"],
        workers=workers,
        progress=progress,
    )
    track = made.sound
    sound = mix(made.score, soundfont=order["font"])
    place = folder.sound(1, 1, track)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_pcm(sound.stem(0), place)
    _prepare(order, folder, made.duration_s, progress)
    warnings = [plain(line, order) for line in (*made.warnings, *sound.warnings)]
    files = {what: folder.download(1, f"performance{suffix}") for what, suffix in PERFORMANCE_FILES.items()}
    files["video"].parent.mkdir(exist_ok=True)
    made.save(**files, progress=lambda _stage, share: progress("sound", share))
    hide_paths(files["report"], order["name"])
    told = performance_told(made) | {"warnings": warnings}
    _write_json(folder.told(1, 1), told)
    _write_json(folder.movement, _hands_curve(made.performer.track.xy, made.performer.track.times_s, made.duration_s))
    return {"duration_s": made.duration_s, "warnings": warnings, "track": track}


def _curves(motion: Motion, duration_s: float) -> Message:
    """What of a movement is drawn: deceleration and speed, each against its own highest value."""
    step_s = float(np.median(np.diff(motion.times_s))) if len(motion.times_s) > 1 else 1.0
    every = -(-len(motion.times_s) // MOST_POINTS)
    return {
        "step_s": step_s * every,
        "deceleration": _thinned(motion.deceleration, every),
        "speed": _thinned(motion.speed, every),
        "duration_s": duration_s,
    }


def _thinned(curve: NDArray[Any], every: int) -> list[float]:
    """A curve's highest value in every so many points, against the highest of all."""
    filled = np.nan_to_num(np.asarray(curve, float))
    padded = np.pad(filled, (0, -len(filled) % every)).reshape(-1, every).max(1)
    highest = float(padded.max(initial=0.0))
    return [round(float(value), 3) for value in padded / (highest or 1.0)]


def _hands_curve(xy: NDArray[Any], times_s: NDArray[np.float64], duration_s: float) -> Message:
    """How fast a musician's joints move on the mean, for drawing; (T, J, 2) pixels in."""
    if len(times_s) < 2:
        return {"step_s": max(duration_s, 1e-3), "deceleration": [0.0], "speed": [0.0], "duration_s": duration_s}
    moved = np.linalg.norm(np.diff(xy, axis=0), axis=-1) / np.diff(times_s)[:, None]
    seen = np.isfinite(moved)
    speed = np.where(seen, moved, 0.0).sum(1) / np.maximum(1, seen.sum(1))
    step_s = float(np.median(np.diff(times_s)))
    even = np.interp(np.arange(0.0, duration_s, step_s), times_s[1:], speed)
    every = max(1, -(-len(even) // MOST_POINTS))
    thinned = _thinned(even, every)
    return {"step_s": step_s * every, "deceleration": [0.0] * len(thinned), "speed": thinned, "duration_s": duration_s}


def _write_json(path: Path, content: Message) -> None:
    from kinebeat.files import atomic_output

    with atomic_output(path) as temporary:
        temporary.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
