"""Draws docs/demo.png: pictures of the demo with their overlay, above its plot (python docs/draw_demo_picture.py)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from kinebeat import soundtrack
from kinebeat.puppet import draw_puppet_video
from kinebeat.video_in import frames

SHOWN_S = (0.65, 2.3, 4.95, 6.05, 7.1)
WIDTH = 1000


def main() -> None:
    """Make the demo and compose the picture."""
    with tempfile.TemporaryDirectory() as folder:
        clip, out, plot = (Path(folder) / name for name in ("demo.mp4", "out.mp4", "plot.png"))
        draw_puppet_video(clip, duration_s=12.0)
        soundtrack(clip).save(out, plot=plot, overlay=True)
        wanted = list(SHOWN_S)
        stills = []
        for time_s, picture in frames(out):
            if wanted and time_s >= wanted[0]:
                wanted.pop(0)
                stills.append(picture)
        chart = cv2.cvtColor(cv2.imread(str(plot)), cv2.COLOR_BGR2RGB)
    row = np.concatenate(stills, axis=1)
    parts = [
        cv2.resize(p, (WIDTH, round(p.shape[0] * WIDTH / p.shape[1])), interpolation=cv2.INTER_AREA)
        for p in (row, chart)
    ]
    cv2.imwrite(str(Path(__file__).parent / "demo.png"), cv2.cvtColor(np.concatenate(parts), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
