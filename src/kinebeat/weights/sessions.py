"""Shipped graphs, ready to run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def open_session(graph: NDArray[np.uint8]) -> Any:
    """An onnxruntime session of an ONNX graph's bytes, on one thread."""
    # From 1.29 on it tells Microsoft which models are run, and keeps a number for this computer; nobody asked for that.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph.tobytes(), options, providers=["CPUExecutionProvider"])
