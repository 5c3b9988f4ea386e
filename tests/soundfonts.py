"""Makes small soundfonts whose sound is known, for tests."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE_HZ = 48000
ATTACK, HOLD, DECAY, SUSTAIN, RELEASE = 34, 35, 36, 37, 38
CUTOFF, PAN, RANGE, INSTRUMENT, ATTENUATION, SAMPLE, LOOPED, CLASS, ROOT = 8, 17, 43, 41, 48, 53, 54, 57, 58


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def keys(low: int, high: int) -> int:
    """A key range as the amount of a generator."""
    return struct.unpack("<h", struct.pack("<BB", low, high))[0]


def write_soundfont(
    path: Path,
    samples: list[tuple[NDArray[np.float32] | bytes, tuple[int, int], int]],
    presets: dict[tuple[int, int], list[dict[int, int]]],
) -> Path:
    """Write a soundfont with one instrument for each preset.

    Args:
        path: the file.
        samples: for each recording its samples (or an Ogg Vorbis file), its loop and its root key.
        presets: (bank, program) -> zones, each the generators of one zone with its sample.
    """
    smpl, shdr = b"", b""
    for number, (pcm, loop, root) in enumerate(samples):
        if isinstance(pcm, bytes):
            start, end = len(smpl), len(smpl) + len(pcm)
            data, kind, at = pcm + b"\0" * (len(pcm) % 2), 0x11, loop
        else:
            start, end = len(smpl) // 2, len(smpl) // 2 + len(pcm)
            data, kind = (pcm * 32767).astype("<i2").tobytes() + b"\0" * 92, 1
            at = (start + loop[0], start + loop[1])
        smpl += data
        name = f"sample{number}".encode().ljust(20, b"\0")
        shdr += name + struct.pack("<IIIIIBbHH", start, end, *at, RATE_HZ, root, 0, 0, kind)
    shdr += b"EOS".ljust(20, b"\0") + struct.pack("<IIIIIBbHH", *[0] * 9)
    phdr, pbag, pgen, inst, ibag, igen = (b"",) * 6
    for number, ((bank, program), zones) in enumerate(presets.items()):
        phdr += f"preset{number}".encode().ljust(20, b"\0") + struct.pack("<HHHIII", program, bank, number, 0, 0, 0)
        pbag += struct.pack("<HH", number, 0)
        pgen += struct.pack("<Hh", INSTRUMENT, number)
        inst += f"inst{number}".encode().ljust(20, b"\0") + struct.pack("<H", len(ibag) // 4)
        for zone in zones:
            ibag += struct.pack("<HH", len(igen) // 4, 0)
            for gen in sorted(zone, key=lambda g: (g != RANGE, g == SAMPLE, g)):
                igen += struct.pack("<Hh", gen, zone[gen])
    count = len(presets)
    phdr += b"EOP".ljust(20, b"\0") + struct.pack("<HHHIII", 0, 0, count, 0, 0, 0)
    pbag += struct.pack("<HH", count, 0)
    inst += b"EOI".ljust(20, b"\0") + struct.pack("<H", len(ibag) // 4)
    ibag += struct.pack("<HH", len(igen) // 4, 0)
    pgen, igen = pgen + bytes(4), igen + bytes(4)
    mods = bytes(10)
    tables = (
        (b"phdr", phdr), (b"pbag", pbag), (b"pmod", mods), (b"pgen", pgen), (b"inst", inst),
        (b"ibag", ibag), (b"imod", mods), (b"igen", igen), (b"shdr", shdr),
    )  # fmt: skip
    info = chunk(b"LIST", b"INFO" + chunk(b"ifil", struct.pack("<HH", 2, 4)) + chunk(b"INAM", b"test"))
    sdta = chunk(b"LIST", b"sdta" + chunk(b"smpl", smpl))
    pdta = chunk(b"LIST", b"pdta" + b"".join(chunk(name, table) for name, table in tables))
    path.write_bytes(chunk(b"RIFF", b"sfbk" + info + sdta + pdta))
    return path


def sine(frequency_hz: float, duration_s: float) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * RATE_HZ)) / RATE_HZ).astype(np.float32)
