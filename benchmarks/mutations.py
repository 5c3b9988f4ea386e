"""Inputs that are wrong on purpose: good files, and seeded ways to spoil them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    Rng = np.random.Generator

WORDS = (
    "ftyp moov mvhd trak tkhd mdhd stsd avcC stts ctts stss stsz stco elst esds mdat hdrl avih strh strf idx1 MThd MTrk"
)
ATOMS = (
    *(word.encode() for word in WORDS.split()),
    *(
        b"PK\x03\x04",
        b"PK\x01\x02",
        b"PK\x05\x06",
        b"\x93NUMPY",
        b"\x1aE\xdf\xa3",
        b"\x16T\xaek",
        b"\xff\xc0",
        b"\xff\xda",
    ),
)
"""Marks after which files hold sizes, counts and kinds."""
EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01")
NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, -1e308, float("nan"), float("inf"), 2**31, 2**63, 2**70, 1e-300),
    *("", "0", "nan", "drums", "original", "../../etc/passwd", "\0", "\u202e", "🩰", "<script>", "a" * 300, "A minor"),
    *([], {}, [[]], [None], {"": {}}, [1e9] * 20, {"what": "beat", "at_s": None, "to_s": None}),
)


def spoiled(content: bytes, rng: Rng) -> bytes:
    """A file with something wrong in it.

    Args:
        content: of a good file.
        rng: the source of chance.
    """
    data = bytearray(content)
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        if not data:
            break
        WAYS[int(rng.integers(len(WAYS)))](data, rng)
    return bytes(data)


def _flip(data: bytearray, rng: Rng) -> None:
    for place in rng.integers(0, len(data), int(rng.integers(1, 40))):
        data[place] ^= 1 << int(rng.integers(8))


def _cut(data: bytearray, rng: Rng) -> None:
    del data[int(rng.integers(len(data))) :]


def _repeat(data: bytearray, rng: Rng) -> None:
    begin, end = _span(data, rng)
    data[begin:begin] = data[begin:end] * int(rng.integers(1, 4))


def _drop(data: bytearray, rng: Rng) -> None:
    begin, end = _span(data, rng)
    del data[begin:end]


def _blank(data: bytearray, rng: Rng) -> None:
    begin, end = _span(data, rng)
    data[begin:end] = bytes(end - begin)


def _noise(data: bytearray, rng: Rng) -> None:
    begin, end = _span(data, rng)
    data[begin:end] = rng.bytes(end - begin)


def _swap(data: bytearray, rng: Rng) -> None:
    begin, end = _span(data, rng)
    data += data[begin:end]
    del data[begin:end]


def _head(data: bytearray, rng: Rng) -> None:
    """A field beside a mark gets an extreme value."""
    marks = [place for mark in ATOMS for place in _all(data, mark)]
    if not marks:
        _flip(data, rng)
        return
    place = max(0, marks[int(rng.integers(len(marks)))] + int(rng.integers(-4, 40)))
    wide = int(rng.choice([1, 2, 4, 8]))
    extreme = EXTREMES[int(rng.integers(len(EXTREMES)))]
    data[place : place + wide] = (extreme + EXTREMES[int(rng.integers(2))] * (wide - 1))[:wide]


def _all(data: bytearray, mark: bytes) -> list[int]:
    found, place = [], data.find(mark)
    while place >= 0 and len(found) < 50:
        found.append(place)
        place = data.find(mark, place + 1)
    return found


def _span(data: bytearray, rng: Rng) -> tuple[int, int]:
    begin = int(rng.integers(len(data)))
    return begin, min(len(data), begin + int(rng.integers(1, 1 + max(1, len(data) // 8))))


WAYS = (_flip, _cut, _repeat, _drop, _blank, _noise, _swap, _head, _head, _head)


def films(folder: Path) -> list[Path]:
    """Small good films in the usual containers, with sound."""
    import av

    from kinebeat.puppet import draw_puppet_video

    drawn = folder / "drawn.mp4"
    draw_puppet_video(drawn, duration_s=1.2, fps=15.0, size=(120, 160), tempo_bpm=120.0)
    with av.open(str(drawn)) as source:
        pictures = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    made = [drawn]
    kinds = (("f.mp4", "libx264", "aac"), ("f.mkv", "libx264", "aac"), ("f.webm", "libvpx", "libopus"),
             ("f.avi", "mpeg4", "mp3"), ("f.mov", "mjpeg", "pcm_s16le"), ("f.ts", "mpeg2video", "mp2"))  # fmt: skip
    for name, codec, sound_codec in kinds:
        with av.open(str(folder / name), "w") as out:
            stream = out.add_stream(codec, rate=25 if codec == "mpeg2video" else 15)
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.height, stream.width = pictures[0].shape[:2]
            sound = out.add_stream(sound_codec, rate=48000)
            for picture in pictures:
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            out.mux(stream.encode(None))
            for k in range(50):
                wave = av.AudioFrame.from_ndarray(np.zeros((1, 1152 * 2), np.int16), "s16", "stereo")
                wave.sample_rate, wave.pts = 48000, k * 1152
                out.mux(sound.encode(wave))
            out.mux(sound.encode(None))
        made.append(folder / name)
    return made


def good_keypoints(folder: Path) -> Path:
    """A keypoint file with nothing wrong in it."""
    path = folder / "good.npz"
    path.write_bytes(_npz(_keypoints()))
    return path


def good_midi(folder: Path) -> Path:
    """A MIDI file of drums with nothing wrong in it."""
    path = folder / "good.mid"
    path.write_bytes(_midi(np.random.default_rng(0), nasty=False))
    return path


def spoiled_keypoints(folder: Path, name: str, rng: Rng) -> Path:
    """A keypoint file, or a folder of OpenPose files, with something wrong in it."""
    if rng.random() < 0.35:
        return _spoiled_openpose(folder / name, rng)
    path = folder / f"{name}.npz"
    arrays = _keypoints()
    if rng.random() < 0.35:
        path.write_bytes(spoiled(_npz(arrays), rng))
    elif rng.random() < 0.15:
        path.write_bytes(_bomb(arrays, rng))
    else:
        for _ in range(int(rng.choice([1, 1, 2, 3]))):
            _spoil_array(arrays, rng)
        path.write_bytes(_npz(arrays))
    return path


def _keypoints() -> dict[str, Any]:
    from kinebeat.puppet import puppet_pose

    track = puppet_pose(np.arange(60) / 25.0)
    return {"xy": track.xy, "score": track.score, "times_s": track.times_s, "layout": np.array(track.layout),
            "shot": track.shot, "size": np.array(track.size)}  # fmt: skip


def _npz(arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _spoil_array(arrays: dict[str, Any], rng: Rng) -> None:
    """One array is not what it should be."""
    name = str(rng.choice(list(arrays)))
    array = np.asarray(arrays[name])
    way = int(rng.integers(13))
    with np.errstate(all="ignore"):
        if way == 0:
            del arrays[name]
        elif way == 1:
            arrays[name] = array[..., None]
        elif way == 2:
            arrays[name] = array.ravel()
        elif way == 3:
            arrays[name] = array[: max(0, array.shape[0] // 2)] if array.ndim else array
        elif way == 4:
            arrays[name] = array.astype("S8")
        elif way == 5:
            arrays[name] = np.zeros((0, *array.shape[1:]), np.float32)
        elif way == 6 and array.dtype.kind in "fiu":
            arrays[name] = array.astype(str(rng.choice(["c16", "f2", "i1", "u8", "?", "f8", "M8[s]"])))
        elif way == 7:
            arrays[name] = np.array([rng.choice([0, 1e300, -1e300, np.nan, np.inf])] * 3)
        elif way == 8 and array.dtype.kind == "f":
            spoilt = array.copy()
            spots = rng.random(array.shape) < rng.choice([0.01, 0.5, 1.0])
            spoilt[spots] = rng.choice([np.nan, np.inf, -np.inf, 1e38, -1e38, 0, 1e-40])
            arrays[name] = spoilt
        elif way == 9:
            arrays["times_s"] = np.asarray(rng.choice([1e-9, 1e9, -1.0, 0.0, 1e15])) * np.arange(60.0)
        elif way == 10:
            arrays["layout"] = np.array(str(rng.choice(["", "coco", "body25", "\0", "x" * 5000, "rhythmicnet17\n"])))
        elif way == 11:
            arrays["size"] = np.array([rng.choice([0, -5, 1, 2**40, 1e300, np.inf, np.nan])] * 2)
        else:
            arrays[name] = np.array(7)


def _bomb(arrays: dict[str, Any], rng: Rng) -> bytes:
    """An archive that claims, or holds, far more than its size."""
    file = io.BytesIO()
    big = str(rng.choice(["xy", "score", "more"]))
    arrays.pop(big, None)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            inside = io.BytesIO()
            np.save(inside, array)
            archive.writestr(f"{name}.npy", inside.getvalue())
        shape = (int(rng.choice([2**26, 2**31, 2**40, 2**60])), 17, 2)
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": shape})
        with archive.open(f"{big}.npy", "w") as member:
            member.write(head.getvalue())
            for _ in range(int(rng.choice([1, 200]))):
                member.write(bytes(2**20))
    return file.getvalue()


def _spoiled_openpose(folder: Path, rng: Rng) -> Path:
    """OpenPose's JSON, a file for each frame; some of them are not."""
    folder.mkdir()
    for number in range(40):
        person = {"pose_keypoints_2d": rng.random(75).round(3).tolist()}
        content: Any = {"version": 1.3, "people": [person]}
        name = f"clip_{number:012d}_keypoints.json"
        text = json.dumps(content).encode()
        if rng.random() < 0.02:
            way = int(rng.integers(8))
            if way == 0:
                text = spoiled(text, rng)
            elif way == 1:
                text = b'{"people":' * 5000
            elif way == 2:
                text = json.dumps({"people": [{"pose_keypoints_2d": [NASTY[int(rng.integers(16))]] * 75}]}).encode()
            elif way == 3:
                text = json.dumps({"people": [person] * 3000}).encode()
            elif way == 4:
                text = json.dumps({"people": NASTY[int(rng.integers(len(NASTY)))]}).encode()
            elif way == 5:
                name = f"clip_{10 ** int(rng.integers(3, 30))}_keypoints.json"
            elif way == 6:
                text = json.dumps({"people": [{"pose_keypoints_2d": list(range(int(rng.integers(200))))}]}).encode()
            else:
                text = b"\xff\xfe" + text
        (folder / name).write_bytes(text)
    return folder


def spoiled_midi(rng: Rng) -> bytes:
    """A MIDI file of drums with something wrong in it."""
    good = _midi(rng, nasty=False)
    return spoiled(good, rng) if rng.random() < 0.6 else _midi(rng, nasty=True)


def _midi(rng: Rng, *, nasty: bool) -> bytes:
    def chance(share: float) -> bool:
        return nasty and rng.random() < 0.3 * share

    track = bytearray()
    if not chance(0.3):
        track += b"\x00\xff\x58\x04" + (bytes([int(rng.integers(256)), int(rng.integers(256)), 24, 8]) if chance(0.4)
                                        else b"\x04\x02\x18\x08")  # fmt: skip
    for step in range(64):
        if chance(0.05):
            track += b"\x00\xff\x51\x03" + bytes(int(v) for v in rng.choice([0, 1, 127, 255], 3))
        if chance(0.03):
            track += b"\x00" + rng.bytes(3)
        wait = b"\xff\xff\xff\x7f" if chance(0.03) else b"\x00"
        pitch = (36, 42, 38, 42)[step % 4] if not chance(0.2) else int(rng.integers(128))
        track += wait + bytes([0x99, pitch, int(rng.integers(0 if nasty else 30, 128))])
        if not chance(0.1):
            track += b"\x78" + bytes([0x89, pitch, 0])
    if not chance(0.3):
        track += b"\x00\xff\x2f\x00"
    length = len(track) if not chance(0.2) else int(rng.choice([0, 2**31, 2**32 - 1]))
    division = 480 if not chance(0.3) else int(rng.choice([0, 1, 0x8000, 0xE728, 0xFFFF, 32767]))
    tracks = 1 if not chance(0.2) else int(rng.choice([0, 2, 65535]))
    return struct.pack(">4sIHHH", b"MThd", 6, 1, tracks, division) + struct.pack(">4sI", b"MTrk", length) + bytes(track)


def nasty_json(rng: Rng, good: Any) -> bytes:
    """JSON like a good one, with values that are not meant."""
    if rng.random() < 0.2:
        return spoiled(json.dumps(good).encode(), rng)
    return json.dumps(_nastier(good, rng)).encode()


def _nastier(value: Any, rng: Rng) -> Any:
    if rng.random() < 0.15:
        return NASTY[int(rng.integers(len(NASTY)))]
    if isinstance(value, dict):
        told = {key: _nastier(one, rng) for key, one in value.items() if rng.random() > 0.05}
        return told | ({"more": 1} if rng.random() < 0.05 else {})
    if isinstance(value, list):
        return [_nastier(one, rng) for one in value] * (1 if rng.random() > 0.05 else 50)
    return value
