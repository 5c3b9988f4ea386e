"""What the package promises as a whole: a quick, silent import, no torch, the public names."""

import subprocess
import sys

import pytest

import kinebeat


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", kinebeat.__all__)
def test_public_names_are_there(name):
    assert getattr(kinebeat, name).__name__ == name


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = kinebeat.nonsense


def test_import_is_silent_and_loads_nothing_heavy():
    heavy = "mediapipe", "torch", "matplotlib", "scipy", "av", "onnxruntime", "numpy", "symusic"
    done = run(f"import sys, kinebeat; print([m for m in {heavy!r} if m in sys.modules])")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_what_hears_the_beat_loads_nothing_heavy_before_it_hears():
    heavy = "mediapipe", "torch", "matplotlib", "scipy", "sklearn", "av", "onnxruntime", "symusic"
    done = run(
        "import sys, kinebeat.hearing, kinebeat.rhythm, kinebeat.beats.hearing, kinebeat.beats.visual\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_the_beat_is_heard_without_torch():
    code = (
        "import sys, importlib.abc\n"
        "class Refuse(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] == 'torch': raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import numpy as np\n"
        "from kinebeat.beats.hearing import hear_beats, hear_dance\n"
        "from kinebeat.motion import motion_from_velocity\n"
        "swing = np.sin(np.pi * np.arange(900) / 36)[:, None, None] * np.ones((900, 17, 2), np.float32)\n"
        "motion = motion_from_velocity(swing.astype(np.float32))\n"
        "hear_dance(motion)\n"
        "print(round(hear_beats(motion, 15.0).tempo_bpm))"
    )
    done = run(code)
    assert (done.stdout, done.stderr) == ("100\n", "")


def test_soundtrack_stays_a_function_when_its_modules_are_loaded():
    done = run("import kinebeat.pipeline, kinebeat.outputs, kinebeat; print(callable(kinebeat.soundtrack))")
    assert done.stdout == "True\n", done.stderr


def test_everything_but_training_works_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import pkgutil, importlib, kinebeat\n"
        "torch = 'network', 'attention', 'reading', 'train', 'training', 'export', 'exporting'\n"
        "for m in pkgutil.walk_packages(kinebeat.__path__, 'kinebeat.'):\n"
        "    if m.name.rsplit('.')[-1] not in torch:\n"
        "        importlib.import_module(m.name)\n"
        "print('fine')"
    )
    done = run(code)
    assert done.stdout == "fine\n", done.stderr
