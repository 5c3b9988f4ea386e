"""The verbs of whoever has a clip, or drums: `soundtrack`, `demo`, `accompany`, `beats`, `pose`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinebeat import __version__
from kinebeat.cli.options import (
    KITS_HELP,
    BackgroundOption,
    BackgroundStartOption,
    EditsOption,
    Instrument,
    KeyOption,
    KitOption,
    LevelOption,
    Original,
    PlayersOption,
    PoseOption,
    QuietOption,
    SeedOption,
    SoundfontOption,
    SourceArgument,
    StemsOption,
    TempoOption,
    WorkersOption,
)
from kinebeat.cli.screen import progress_bar, warn

if TYPE_CHECKING:
    from kinebeat.arrangement import Arrangement
    from kinebeat.hearing import Heard
    from kinebeat.outputs import Outputs
    from kinebeat.pipeline import Soundtrack

app = typer.Typer(
    name="kinebeat",
    help="Hears the rhythm in human movement: a video goes in, a soundtrack comes out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def soundtrack(
    source: SourceArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Video to write.", show_default="CLIP.soundtrack.mp4")
    ] = None,
    players: PlayersOption = None,
    key: KeyOption = None,
    midi: Annotated[Path | None, typer.Option(help="Also write the notes as MIDI.")] = None,
    wav: Annotated[Path | None, typer.Option(help="Also write the sound as WAV.")] = None,
    stems: StemsOption = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw movement, beats and drums as PNG.")] = None,
    report: Annotated[Path | None, typer.Option(help="Also write times, alignment and settings as JSON.")] = None,
    tempo: TempoOption = None,
    density: Annotated[float, typer.Option(help="How busy the players are: 0.1 to 2, 1 is a drummer's.")] = 1.0,
    kit: KitOption = "standard",
    soundfont: SoundfontOption = None,
    original: Annotated[Original, typer.Option(help="The clip's own sound.")] = Original.MUTE,
    background: BackgroundOption = None,
    background_start: BackgroundStartOption = 0.0,
    level: LevelOption = None,
    edits: EditsOption = None,
    pose: PoseOption = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Draw skeleton and hits on the picture.")] = False,
    variants: Annotated[int, typer.Option(help="Write several, with seeds from --seed on.", min=1, max=99)] = 1,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Make a soundtrack whose drums land on the movement, with piano or guitar on top if wanted."""
    from kinebeat import soundtrack as make
    from kinebeat.background import CLIP
    from kinebeat.edits import load_edits
    from kinebeat.faders import check_faders, read_levels
    from kinebeat.outputs import BACKGROUND, DRUMS, Outputs, check_original, check_outputs, default_outputs

    check_original(original.value, joined=background is not None)
    instruments = [player.value for player in players or ()]
    levels_db = read_levels(level) if level else None
    put_by_hand = () if edits is None else load_edits(edits)
    chosen = Outputs(out, midi, wav, plot, report, stems)
    if out is None:
        chosen = default_outputs(source, chosen)
    numbered = [chosen.numbered(n + 1) if variants > 1 else chosen for n in range(variants)]
    song = None if background in (None, CLIP) else Path(background)
    inputs = [path for path in (source, pose, soundfont, song, edits) if path is not None]
    stem_names = instruments if background is None else [*instruments, BACKGROUND]
    if levels_db is not None:
        check_faders(levels_db, [DRUMS, *stem_names], original.value)
    for outputs in numbered:
        check_outputs(outputs, inputs, stem_names)
    with progress_bar(quiet) as progress:
        made = make(
            source,
            pose=pose,
            tempo_bpm=tempo,
            density=density,
            kit=kit,
            soundfont=soundfont,
            seed=seed,
            instruments=instruments,
            key=key,
            background=background,
            background_start_s=background_start,
            edits=put_by_hand,
            workers=workers,
            progress=progress,
        )
        warnings = list(made.warnings)
        finished = []
        for number, outputs in enumerate(numbered):
            variant = made if number == 0 else made.variant(seed + number, progress=progress)
            said = variant.save(
                outputs.video,
                midi=outputs.midi,
                wav=outputs.wav,
                plot=outputs.plot,
                report=outputs.report,
                stems=outputs.stems,
                original=original.value,
                overlay=overlay,
                levels_db=levels_db,
                progress=progress,
            )
            warnings += [line for line in said if line not in warnings]
            finished.append((variant, outputs))
    warn(warnings)
    if not quiet:
        for variant, outputs in finished:
            _summarise(variant, outputs)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Video to write.")] = Path("kinebeat-demo.mp4"),
    seconds: Annotated[float, typer.Option(help="Length of the demo.", min=2, max=120)] = 12.0,
    players: PlayersOption = None,
    key: KeyOption = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw movement, beats and drums as PNG.")] = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Draw skeleton and hits on the picture.")] = False,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Draw a dancing figure and make its soundtrack; needs no file and no network."""
    import tempfile

    from kinebeat import soundtrack as make
    from kinebeat.files import check_output
    from kinebeat.outputs import Outputs
    from kinebeat.puppet import draw_puppet_video

    for path in (out, plot):
        if path is not None:
            check_output(path)
    with tempfile.TemporaryDirectory(prefix="kinebeat-") as folder, progress_bar(quiet) as progress:
        clip = Path(folder) / "dancer.mp4"
        progress("drawing", 0.0)
        draw_puppet_video(clip, duration_s=seconds, seed=seed)
        instruments = [player.value for player in players or ()]
        made = make(clip, seed=seed, instruments=instruments, key=key, workers=workers, progress=progress)
        warnings = [*made.warnings, *made.save(out, plot=plot, overlay=overlay, progress=progress)]
    warn(warnings)
    if not quiet:
        _summarise(made, Outputs(video=out, plot=plot))


@app.command()
def accompany(
    source: Annotated[Path, typer.Argument(help="A MIDI file in 4/4 with drums.")],
    players: Annotated[
        list[Instrument] | None,
        typer.Option("--with", help="Who plays; may be given twice.", show_default="piano"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="MIDI file to write.", show_default="DRUMS.accompanied.mid")
    ] = None,
    wav: Annotated[Path | None, typer.Option(help="Also write the sound as WAV.")] = None,
    stems: StemsOption = None,
    key: KeyOption = None,
    density: Annotated[float, typer.Option(help="How busy they are: 0.1 to 2, 1 is as songs are.")] = 1.0,
    temperature: Annotated[
        float | None, typer.Option(help="How daring they are: up to 2, less is plainer.", show_default="0.95")
    ] = None,
    kit: Annotated[str | None, typer.Option(help=KITS_HELP, show_default="the file's")] = None,
    soundfont: SoundfontOption = None,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Play piano or guitar to the drums of a MIDI file."""
    from kinebeat import accompany as make
    from kinebeat.outputs import Outputs, check_outputs

    instruments = [player.value for player in players or (Instrument.PIANO,)]
    midi = source.parent / f"{source.stem}.accompanied.mid" if out is None else out
    outputs = Outputs(midi=midi, wav=wav, stems=stems)
    check_outputs(outputs, [path for path in (source, soundfont) if path is not None], instruments)
    with progress_bar(quiet) as progress:
        made = make(
            source,
            instruments,
            key=key,
            density=density,
            temperature=temperature,
            kit=kit,
            soundfont=soundfont,
            seed=seed,
            progress=progress,
        )
        said = made.save(outputs.midi, wav=wav, stems=stems, progress=progress)
    warn([*made.warnings, *said])
    if not quiet:
        grid = made.drums.grid
        print(
            f"{grid.tempo_bpm:.1f} BPM, {int(made.drums.hits.sum())} drum hits in {grid.beats_s[-1]:.1f} s; "
            f"{_in_words(made)}"
        )
        for path in outputs.paths():
            print(f"wrote {path}")


@app.command()
def beats(
    source: SourceArgument,
    pose: PoseOption = None,
    tempo: TempoOption = None,
    json: Annotated[Path | None, typer.Option(help="Write beats, tempo and confidence as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw movement and beats as PNG.")] = None,
    click: Annotated[
        Path | None, typer.Option(help="Write the video (.mp4), or WAV, with a click on each beat.")
    ] = None,
    original: Annotated[Original, typer.Option(help="The clip's own sound, under the clicks.")] = Original.KEEP,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Say which beat is heard in the movement; a click track lets a person judge it."""
    from kinebeat.beat_outputs import BeatOutputs, check_beat_outputs
    from kinebeat.hearing import hear

    outputs = BeatOutputs(json, plot, click)
    check_beat_outputs(outputs, source, [] if pose is None else [pose])
    with progress_bar(quiet) as progress:
        heard = hear(source, pose=pose, tempo_bpm=tempo, workers=workers, progress=progress)
        said = heard.save(json=json, plot=plot, click=click, original=original.value, progress=progress)
    warn([*heard.warnings, *said])
    if not quiet:
        _say_beats(heard)
        for path in outputs.paths():
            print(f"wrote {path}")


@app.command()
def pose(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Keypoint file to write (.npz).")],
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Find the person and write the keypoints, which every command takes in place of a video."""
    from kinebeat.files import check_output
    from kinebeat.pose import read_pose, save_pose

    check_output(out, [source])
    with progress_bar(quiet) as progress:
        track = read_pose(source, workers=workers, progress=lambda share: progress("pose", share))
        save_pose(track, out)


def _in_words(made: Soundtrack | Arrangement) -> str:
    """Who plays how many notes, and in which key."""
    from kinebeat.keys import key_spelled

    tracks = made.score.tracks[1:]
    players = " and ".join(f"{track.name.lower()} ({len(track.time_s)} notes)" for track in tracks)
    return f"{players} in {key_spelled(made.accompaniments[0].key)}"


def _summarise(made: Soundtrack, outputs: Outputs) -> None:
    """A few lines on what came out."""
    heard = {"movement": "heard in the movement", "accents": "fitted to the accents", "tempo": "as asked"}
    if made.song is not None:
        heard["song"] = "heard in " + ("its own sound" if made.song.path == made.source else made.song.path.name)
    print(
        f"{made.grid.tempo_bpm:.1f} BPM ({heard[made.grid.source]}), {len(made.accents.times_s)} accents, "
        f"{int(made.drums.hits.sum())} drum hits in {made.duration_s:.1f} s"
        + (f"; {_in_words(made)}" if made.accompaniments else "")
    )
    for path in outputs.paths():
        print(f"wrote {path}")


def _say_beats(heard: Heard) -> None:
    """What is heard, in words."""
    from kinebeat.beat_outputs import in_words

    beats_s, downbeats_s = heard.beats_s, heard.downbeats_s
    print(in_words(heard.grid))
    where = f", the first at {beats_s[0]:.2f} s" if len(beats_s) else ""
    bar = f"; a bar seems to begin at {downbeats_s[0]:.2f} s" if len(downbeats_s) else ""
    print(f"{len(beats_s)} beats in {heard.duration_s:.1f} s{where}{bar}")
