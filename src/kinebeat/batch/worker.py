"""The process that does one clip after the other (`kinebeat.batch.crew` starts it).

A line of JSON on standard input is an order, a line on standard output its outcome. At the end of the input the process
ends at once, whatever it is doing, so none outlives its parent.
"""

from __future__ import annotations

from kinebeat.children import Desk


def main() -> None:
    """Do clips until the input ends or SIGTERM comes; then what is not finished is removed."""
    desk = Desk()
    from kinebeat.batch.work import do_clip
    from kinebeat.pose.processes import PoseWorkers

    with PoseWorkers(1) as workers:
        desk.work(lambda order: do_clip(order, workers))
