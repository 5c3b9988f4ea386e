"""Draws what Kinebeat saw and played onto the picture: the skeleton, the beats, and every drum as it is hit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from kinebeat.beats.grid import BEATS_PER_BAR
from kinebeat.drums.kit import DRUMS
from kinebeat.skeleton import LAYOUTS
from kinebeat.video_out import encode

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from kinebeat.drums.track import DrumTrack
    from kinebeat.pose.track import PoseTrack

    Colour = tuple[int, int, int]

RIGHT, LEFT, MIDDLE = (255, 140, 66), (64, 196, 255), (245, 245, 245)  # of the person's own sides, RGB
EDGE: Colour = (20, 20, 24)
DARK: Colour = (38, 40, 48)
LIT: tuple[Colour, ...] = (
    (235, 87, 87),
    (242, 153, 74),
    (242, 201, 76),
    (214, 214, 102),
    (111, 207, 151),
    (86, 204, 190),
    (86, 164, 242),
    (155, 140, 255),
    (214, 126, 220),
)
SHORT_NAMES = ("kick", "snare", "hat", "open", "tom 3", "tom 2", "tom 1", "crash", "ride")
GLOW_S = 0.14  # a lamp falls to a third in this time
SURE = 0.3  # joints of which the detector is less sure are not drawn
NEAR_FRAMES = 2.0  # a skeleton is shown at most so many frames away from where it was seen


def draw_overlay(clip: str | Path, pose: PoseTrack, drums: DrumTrack, out: str | Path) -> None:
    """Write a clip's picture with the skeleton, the beats and the drums drawn on it, without sound.

    Args:
        clip: the video.
        pose: where its person's joints are.
        drums: the hits, with the beats they are on.
        out: an .mp4 to write; `kinebeat.video_out.mux` adds the sound.

    Raises:
        InputError: the clip cannot be read.
    """
    painter = Painter(pose, drums)
    encode(clip, out, lambda shown: painter.paint(*shown))


@dataclass(frozen=True)
class Painter:
    """Paints single pictures; each depends on nothing but its time."""

    pose: PoseTrack
    drums: DrumTrack

    def paint(self, time_s: float, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture at a time, painted.

        Args:
            time_s: seconds of the clip.
            picture: (H, W, 3) uint8 RGB, upright.

        Returns:
            A new picture of the same size.
        """
        painted = np.ascontiguousarray(picture).copy()
        self._paint_skeleton(painted, time_s)
        self._paint_lamps(painted, time_s)
        return painted

    def _paint_skeleton(self, picture: NDArray[np.uint8], time_s: float) -> None:
        """Bones and joints: one colour for the person's left, one for the right."""
        times_s = self.pose.times_s
        if not len(times_s):
            return
        nearest = int(np.abs(times_s - time_s).argmin())
        frame_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else np.inf
        if abs(times_s[nearest] - time_s) > NEAR_FRAMES * frame_s:
            return
        height, width = picture.shape[:2]
        size = self.pose.size if min(self.pose.size) > 0 else (width, height)
        xy = self.pose.xy[nearest] * np.array([width, height]) / np.array(size)
        far = 4 * max(width, height)
        seen = np.isfinite(xy).all(axis=1) & (np.abs(np.nan_to_num(xy)) < far).all(axis=1)
        seen &= self.pose.score[nearest] >= SURE
        points = [tuple(round(value) for value in point) for point in np.nan_to_num(xy).tolist()]
        layout = LAYOUTS[self.pose.layout]
        bones = [(a, b) for a, b in layout.bone_indices if seen[a] and seen[b]]
        if not bones:
            return
        thick = _thickness(xy[sorted({joint for bone in bones for joint in bone})], picture)
        for a, b in bones:
            cv2.line(picture, points[a], points[b], EDGE, thick * 3, cv2.LINE_AA)
        for a, b in bones:
            colour = _side_colour(layout.joints[a], layout.joints[b])
            cv2.line(picture, points[a], points[b], colour, max(1, thick), cv2.LINE_AA)
        for joint in sorted({joint for bone in bones for joint in bone}):
            cv2.circle(picture, points[joint], thick * 2, EDGE, -1, cv2.LINE_AA)
            cv2.circle(picture, points[joint], max(1, round(thick * 1.3)), MIDDLE, -1, cv2.LINE_AA)

    def _paint_lamps(self, picture: NDArray[np.uint8], time_s: float) -> None:
        """A strip at the bottom: the four beats of the bar, then a lamp for each drum."""
        height, width = picture.shape[:2]
        strip = max(6, round(min(height, width) * 0.075))
        strip = min(strip, height // 2)
        if strip < 2:
            return
        top = height - strip
        picture[top:] = (picture[top:].astype(np.float32) * 0.35).astype(np.uint8)
        cells = np.linspace(0, width, BEATS_PER_BAR // 2 + len(DRUMS) + 1).round().astype(int)
        beats = np.linspace(0, cells[BEATS_PER_BAR // 2], BEATS_PER_BAR + 1)
        for number, glow in enumerate(self._beat_glow(time_s)):
            centre = (int((beats[number] + beats[number + 1]) / 2), top + strip // 2)
            radius = max(1, round(min(strip * 0.3, (beats[1] - beats[0]) * 0.36)))
            cv2.circle(picture, centre, radius, _mixed(DARK, (255, 255, 255), glow), -1, cv2.LINE_AA)
        gap = max(1, strip // 12)
        for drum, glow in enumerate(self.drum_glow(time_s)):
            left, right = cells[BEATS_PER_BAR // 2 + drum : BEATS_PER_BAR // 2 + drum + 2]
            corner, other = (int(left) + gap, top + gap), (int(right) - gap, height - 1 - gap)
            if other[0] <= corner[0] or other[1] <= corner[1]:
                continue
            cv2.rectangle(picture, corner, other, _mixed(DARK, LIT[drum], glow), -1)
            _write(picture, SHORT_NAMES[drum], corner, other, EDGE if glow > 0.5 else (210, 214, 222))

    def drum_glow(self, time_s: float) -> NDArray[np.float64]:
        """How brightly each drum's lamp shines, (9,) in [0, 1]: full at a hit, then fading."""
        grid = self.drums.grid
        step = float(grid.step(time_s))
        # Only the last few steps can still be seen to glow.
        first = int(np.clip(np.floor(grid.step(time_s - 6 * GLOW_S)) - 1, 0, grid.steps))
        last = int(np.clip(np.ceil(step) + 2, 0, grid.steps))
        glow = np.zeros(len(DRUMS))
        for s, drum in zip(*np.nonzero(self.drums.hits[first:last]), strict=True):
            hit_s = float(grid.time_s(first + s + self.drums.offsets[first + s, drum]))
            if hit_s <= time_s:
                strength = 0.45 + 0.55 * float(self.drums.velocities[first + s, drum])
                glow[drum] = max(glow[drum], strength * np.exp((hit_s - time_s) / GLOW_S))
        return glow

    def _beat_glow(self, time_s: float) -> list[float]:
        """The same for the four beats of the bar, the first brighter than the others."""
        beats_s = self.drums.grid.beats_s
        now = int(np.searchsorted(beats_s, time_s, side="right")) - 1
        glow = [0.0] * BEATS_PER_BAR
        if now >= 0:
            strength = 1.0 if now % BEATS_PER_BAR == 0 else 0.7
            glow[now % BEATS_PER_BAR] = strength * float(np.exp((beats_s[now] - time_s) / (2 * GLOW_S)))
        return glow


def _thickness(xy: NDArray[np.float64], picture: NDArray[np.uint8]) -> int:
    """How thick to draw a person of this size, in pixels."""
    largest = min(picture.shape[:2]) / 120
    return max(1, round(min(float(np.ptp(xy, axis=0).max()) / 130, largest)))


def _side_colour(a: str, b: str) -> Colour:
    """Colour of a bone: of its side, or the middle's where it joins the two."""
    sides = {joint.split("_")[0] for joint in (a, b)} & {"left", "right"}
    if sides == {"left"}:
        return LEFT
    return RIGHT if sides == {"right"} else MIDDLE


def _mixed(dark: Colour, bright: Colour, share: float) -> Colour:
    red, green, blue = (round(d + (b - d) * share) for d, b in zip(dark, bright, strict=True))
    return red, green, blue


def _write(picture: NDArray[np.uint8], text: str, corner: tuple[int, int], other: tuple[int, int], ink: Colour) -> None:
    """A word in the middle of a box, if it can be read at that size."""
    room_x, room_y = (other[0] - corner[0]) * 0.86, (other[1] - corner[1]) * 0.5
    (width, height), _ = cv2.getTextSize("snare", cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
    scale = min(room_x / width, room_y / height)
    if scale < 0.28:
        return
    weight = 2 if scale > 0.8 else 1
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
    place = ((corner[0] + other[0] - width) // 2, (corner[1] + other[1] + height) // 2)
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, weight, cv2.LINE_AA)
