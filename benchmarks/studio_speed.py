"""How long a user of the studio waits, measured in Chromium (python benchmarks/studio_speed.py).

Time to first sound: from the choice of a file to the first sample at the page's loudspeaker that is not silent, with
the play button pressed as soon as there is one. Changes: from the change of a control, while it plays, to when the new
music is scheduled at the sound card (the page's own marks `kinebeat:heard`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import RESULTS, finish, spread
from kinebeat.puppet import draw_puppet_video

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser import chromium, running
from studios import running_studio

if TYPE_CHECKING:
    from browser import Tab

SOUNDS = "document.querySelector('#loudness').value > 0.05"
LONG_S = 120.0
SETS = {
    "seed": "document.querySelector('#another').click()",
    "density": "set('#density', (0.3 + 0.05 * {n}).toFixed(2))",
    "kit": "set('#kit', ['jazz', 'standard', 'room', 'brush'][{n} % 4])",
    "tempo": "set('#tempo', 90 + {n})",
    "seed with piano": "document.querySelector('#another').click()",  # the last: the piano stays
}
SET = """
window.set = (selector, value) => {
  const control = document.querySelector(selector);
  control.value = value;
  control.dispatchEvent(new Event('input', {bubbles: true}));
  control.dispatchEvent(new Event('change', {bubbles: true}));
};
"""
HEARD = "performance.getEntriesByName('kinebeat:heard').length"


def first_sound_s(tab: Tab, url: str, clip: Path) -> float:
    """Seconds from the choice of a file to its sound."""
    tab.open(url)
    tab.wait_for("document.body.dataset.state === 'start'")
    node = tab.call("DOM.querySelector", nodeId=tab.call("DOM.getDocument")["root"]["nodeId"], selector="#file")
    begin_s = time.perf_counter()
    tab.call("DOM.setFileInputFiles", files=[str(clip)], nodeId=node["nodeId"])
    tab.wait_for("!!document.querySelector('#play') && !document.querySelector('#studio').hidden", LONG_S)
    tab.click("#play")
    tab.wait_for(SOUNDS, LONG_S)
    return time.perf_counter() - begin_s


def changes_s(tab: Tab, what: str, count: int) -> list[float]:
    """Seconds from changes of a control to the new sound."""
    tab.value(SET)
    tab.value("document.querySelector('#loop').getAttribute('aria-pressed') === 'true' || loop.click()")
    if what == "seed with piano":
        before = tab.value(HEARD)
        tab.value("document.querySelector('#with input').click()")
        tab.wait_for(f"{HEARD} > {before}", LONG_S)
    for number in range(count):
        before = tab.value(HEARD)
        tab.value(SETS[what].format(n=number))
        tab.wait_for(f"{HEARD} > {before}", LONG_S)
        time.sleep(0.3)
    told = f"performance.getEntriesByName('kinebeat:heard').slice(-{count}).map((one) => one.detail.after_ms / 1000)"
    return list(tab.value(told))


def main() -> None:
    """Measure and write benchmarks/results/studio_speed.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=4, help="how many are brought, one after the other")
    parser.add_argument("--changes", type=int, default=15)
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0], help="length of the clips")
    options = parser.parse_args()
    program = chromium()
    if program is None:
        raise SystemExit("no Chromium is installed (Debian: apt install chromium)")
    begin_s = time.perf_counter()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "profile").mkdir()
        with (
            running_studio(folder / "data", live=False) as studio,
            running(program, folder / "profile", None) as browser,
        ):
            tab = browser.tab()
            for seconds in options.seconds:
                clips = [folder / f"{seconds:g}s-{number}.mp4" for number in range(options.clips)]
                for number, clip in enumerate(clips):
                    draw_puppet_video(clip, duration_s=seconds, seed=number)
                waits = [first_sound_s(tab, studio.url, clip) for clip in clips]
                if not rows:  # the studio has just been opened
                    rows.append({"name": f"first sound, {seconds:g} s clip, first of a studio", "p50_s": waits.pop(0)})
                rows.append({"name": f"first sound, {seconds:g} s clip", **spread(waits), "count": len(waits)})
                for what in SETS if seconds == options.seconds[0] else ("seed", "density"):
                    heard_s = changes_s(tab, what, options.changes)
                    row = {"name": f"change of {what}, {seconds:g} s clip", **spread(heard_s), "count": len(heard_s)}
                    rows.append(row)
    finish("studio_speed", "studio speed", rows, data="drawn dancers, 720 x 960", seconds=time.perf_counter() - begin_s)
    print(RESULTS / "studio_speed.json")


if __name__ == "__main__":
    main()
