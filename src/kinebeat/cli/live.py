"""The verb `live`: someone moves, and drums answer."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinebeat.cli.options import KitOption, QuietOption, SoundfontOption
from kinebeat.cli.screen import warn
from kinebeat.errors import KinebeatError, OptionError
from kinebeat.pose import is_keypoints

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from kinebeat.live.clock import SessionClock
    from kinebeat.live.inputs.frames import Input
    from kinebeat.live.outputs.output import Output
    from kinebeat.live.outputs.samples import DrumSamples
    from kinebeat.live.recording import Take
    from kinebeat.live.server import PageServer
    from kinebeat.live.session import Engine, Report, Session
    from kinebeat.live.settings import LiveSettings

LIST = "list"
PORT = 8765
BEATS_TOLD = 16
"""After so many beats each the tempo is said on the screen."""


class Mode(StrEnum):
    """How the drums answer."""

    GROOVE = "groove"
    INSTRUMENT = "instrument"
    BOTH = "both"


def play_live(
    camera: Annotated[int | None, typer.Option(help="Use this camera, 0 is the first, without a page.", min=0)] = None,
    video: Annotated[
        Path | None, typer.Option(help="Play to a video, or an .npz of keypoints, in real time, without a page.")
    ] = None,
    replay: Annotated[Path | None, typer.Option(help="Play a recorded take again; exit 2 if it differs.")] = None,
    record: Annotated[Path | None, typer.Option(help="Write the take here as .npz.")] = None,
    mode: Annotated[Mode, typer.Option(help="Drums to the beat, struck by hands and feet, or both.")] = Mode.GROOVE,
    sensitivity: Annotated[float, typer.Option(help="2 hears movements half as large; 0.2 to 5.")] = 1.0,
    tempo: Annotated[float, typer.Option(help="BPM with which it begins.")] = 100.0,
    temperature: Annotated[float, typer.Option(help="How daring the drummer is, up to 2.")] = 0.9,
    lead: Annotated[
        float, typer.Option(help="Seconds by which drums are planned ahead; more where strokes come late; 0.03 to 0.3.")
    ] = 0.08,
    speakers: Annotated[
        bool | None,
        typer.Option(help="Play on this computer's loudspeakers.", show_default="where nothing else is asked for"),
    ] = None,
    midi_port: Annotated[
        str | None,
        typer.Option(help='Play to this MIDI port; "list" shows them; a new name makes a virtual one.'),
    ] = None,
    osc: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Send beats, hits, keypoints as OSC.")] = None,
    wav: Annotated[Path | None, typer.Option(help="Write the sound of the take as WAV.")] = None,
    midi: Annotated[Path | None, typer.Option(help="Write the notes of the take as MIDI.")] = None,
    kit: KitOption = "standard",
    soundfont: SoundfontOption = None,
    seed: Annotated[int, typer.Option(help="The one source of chance: same seed and movement, same drums.")] = 0,
    seconds: Annotated[float | None, typer.Option(help="End after so long.", show_default="when stopped")] = None,
    port: Annotated[int, typer.Option(help="Of the page; 0 takes a free one.", min=0, max=65535)] = PORT,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    quiet: QuietOption = False,
) -> None:
    """Play drums to someone who moves: opens a page for the browser's camera, unless --camera or --video is given."""
    if midi_port == LIST:
        _list_ports()
        return
    if sum(source is not None for source in (camera, video, replay)) > 1:
        raise OptionError("--camera, --video and --replay are three inputs; give one")
    from kinebeat.files import check_distinct, check_output
    from kinebeat.live.settings import LiveSettings
    from kinebeat.score import KITS

    if kit not in KITS:
        raise OptionError(f"there is no kit {kit!r}; choose one of {', '.join(KITS)}")
    if seconds is not None and not seconds > 0:
        raise OptionError(f"--seconds {seconds:g}: expected more than 0")
    files = _Files(record, wav, midi, kit, soundfont)
    for path in files.paths():
        check_output(path, [source for source in (video, replay, soundfont) if source is not None])
    check_distinct(files.paths())
    settings = LiveSettings(mode.value, seed, temperature, sensitivity, tempo, lead)
    if replay is not None:
        if midi_port is not None or osc is not None or speakers:
            raise OptionError("--replay only compares and writes files; --video TAKE.npz plays a take in real time")
        _replay(replay, files, quiet)
        return
    from kinebeat.live.clock import SessionClock
    from kinebeat.live.inputs.browser import BrowserInput
    from kinebeat.live.inputs.pose import PoseFinder
    from kinebeat.live.outputs.samples import drum_samples
    from kinebeat.live.session import Session

    clock = SessionClock()
    samples = cache(lambda: drum_samples(kit, soundfont))
    source = _source(camera, video)
    server: PageServer | None = None
    if speakers is None:
        silent = midi_port is None and osc is None and not files.paths()
        speakers = silent and not isinstance(source, BrowserInput)
    outputs = _opened(clock, speakers, midi_port, osc, samples)
    if isinstance(source, BrowserInput):
        from kinebeat.live.server import PageOutput, PageServer

        page = PageOutput()
        server = PageServer(source, page, samples, port)
        outputs.append(page)
    elif not quiet:
        outputs.append(_screen())
    finder = PoseFinder() if video is None or not is_keypoints(video) else None

    def notice(text: str) -> None:
        warn([text])
        if server is not None:
            server.notice(text)

    session = Session(
        source,
        _engine,
        settings,
        outputs=outputs,
        find=None if finder is None else finder.find,
        clock=clock,
        keep=bool(files.paths()),
        notice=notice,
    )
    try:
        if server is not None:
            server.start(session)
            _show(server, browser, quiet)
        elif finder is not None:
            finder.warm_up()  # a video is not begun before it can be looked at
        _play(session, seconds)
    finally:
        if finder is not None:
            finder.close()
        if server is not None:
            server.stop()
        if session.take.steps:
            files.write(session.take, quiet)
    if files.paths() and not session.take.steps:
        warn(["not one frame came, so there is nothing to write"])
    if not quiet and session.report().frames:
        _summarise(session.report())


def _source(camera: int | None, video: Path | None) -> Input:
    """The input that was asked for."""
    if camera is not None:
        from kinebeat.live.inputs.camera import CameraInput

        return CameraInput(camera)
    if video is None:
        from kinebeat.live.inputs.browser import BrowserInput

        return BrowserInput()
    from kinebeat.live.inputs.recorded import KeypointsInput, VideoInput

    return KeypointsInput(video) if is_keypoints(video) else VideoInput(video)


def _show(server: PageServer, browser: bool, quiet: bool) -> None:
    """Say where the page is, and open it."""
    import webbrowser

    print(f"the page is at {server.url}", flush=True)
    if not quiet:
        print("Ctrl-C ends it", flush=True)
    if browser:
        webbrowser.open(server.url)


@dataclass(frozen=True)
class _Files:
    """Where a take goes, and how it sounds."""

    record: Path | None
    wav: Path | None
    midi: Path | None
    kit: str
    font: Path | None

    def paths(self) -> list[Path]:
        """All that is wanted."""
        return [path for path in (self.record, self.wav, self.midi) if path is not None]

    def write(self, take: Take, quiet: bool) -> None:
        """Write what was asked for; each file whole or not at all, the recording first."""
        from kinebeat.live.outputs.take import write_music
        from kinebeat.live.recording import save_take

        if self.record is not None:
            save_take(take, self.record)
        warn(list(write_music(take, wav=self.wav, midi=self.midi, kit=self.kit, soundfont=self.font)))
        if not quiet:
            for path in self.paths():
                print(f"wrote {path}")


def _opened(
    clock: SessionClock, speakers: bool, midi_port: str | None, osc: str | None, samples: Callable[[], DrumSamples]
) -> list[Output]:
    """The outputs that were asked for; none stays open if one fails."""
    opened: list[Output] = []
    try:
        if osc is not None:
            from kinebeat.live.outputs.osc import OscOutput, place

            opened.append(OscOutput(*place(osc)))
        if midi_port is not None:
            from kinebeat.live.outputs.midi import midi_output

            opened.append(midi_output(midi_port))
        if speakers:
            from kinebeat.live.outputs.speakers import SpeakerOutput

            opened.append(SpeakerOutput(samples(), clock))
    except KinebeatError:
        for output in opened:
            output.close()
        raise
    return opened


def _screen() -> Output:
    """An output that says on the screen what goes on."""
    from kinebeat.live.events import Beat, Change, Event
    from kinebeat.live.outputs.output import Output

    class Screen(Output):
        name = "screen"

        def play(self, event: Event) -> None:
            if isinstance(event, Change):
                print(f"{event.mood}: {event.reason}", flush=True)
            elif isinstance(event, Beat) and event.number and event.number % BEATS_TOLD == 0:
                print(f"{event.tempo_bpm:.0f} BPM", flush=True)

    return Screen()


def _play(session: Session, seconds: float | None) -> None:
    """Run a session until its input ends, the time is up, or somebody stops it; a second Ctrl-C breaks it off."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        session.stop()
        for number in caught:
            signal.signal(number, signal.default_int_handler)

    caught = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in caught]
    timer = None
    if seconds is not None:
        timer = threading.Timer(seconds, session.stop)
        timer.daemon = True
        timer.start()
    try:
        session.run()
    finally:
        if timer is not None:
            timer.cancel()
        for number, handler in zip(caught, before, strict=True):
            signal.signal(number, handler)


def _engine(settings: LiveSettings) -> Engine:
    from kinebeat.live.engine import LiveEngine

    return LiveEngine(settings)


def _replay(path: Path, files: _Files, quiet: bool) -> None:
    """Play a take again and say whether it is the same."""
    from kinebeat.live.recording import replay

    played = replay(path, _engine)
    if played.difference is not None:
        raise KinebeatError(f"{path}: other events than were recorded ({played.difference})")
    if not quiet:
        print(f"{path}: {len(played.take.events)} events, the same as were recorded, bit for bit")
    files.write(played.take, quiet)


def _list_ports() -> None:
    from kinebeat.live.outputs.midi import port_names

    names = port_names()
    for name in names:
        print(name)
    if not names:
        print("no MIDI ports; any other name makes a virtual one where the system can", file=sys.stderr)


def _summarise(report: Report) -> None:
    """A few lines on how the session went."""
    print(
        f"{report.frames} frames ({report.replaced} skipped for newer ones), {report.steps} steps; "
        f"frame to events p50 {report.delay.p50_ms:.0f} ms, p95 {report.delay.p95_ms:.0f} ms"
    )
    for handover in report.handovers:
        if handover.error.count and handover.name != "screen":
            error = handover.error
            print(f"{handover.name}: handed over p50 {error.p50_ms:.1f} ms, p99 {error.p99_ms:.1f} ms late")
