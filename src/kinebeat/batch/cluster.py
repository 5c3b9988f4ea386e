"""The same work on a Ray cluster (extra `[cluster]`).

Its machines see the clips and the output folder under the same paths, as on a disk that they share.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kinebeat.batch.work import do_clip, failed
from kinebeat.children import ONE_THREAD
from kinebeat.errors import KinebeatError, OptionError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from kinebeat.batch.work import Order, Outcome

LOCAL = "local"
TRIES = 3
"""A clip whose worker dies, as machines of a cluster do, is done again elsewhere, so often at most."""
STARTS = 3
"""How often a cluster on this machine is started, at most, if it takes too long."""
REACH_S = 10.0
"""How long an address has to answer."""
LOOK_S = 1.0
"""How often the size of the cluster is looked at: machines come and go."""


def ray_outcomes(orders: Iterable[Order], *, address: str, workers: int | None = None) -> Generator[Outcome]:
    """Do orders as remote tasks of one core each; outcomes come as they are done.

    Closing the iterator cancels what is being done and leaves the cluster.

    Args:
        orders: what is to be done.
        address: of the cluster's head, "auto" for the one this machine is part of, or "local" to start one here.
        workers: how many clips at a time, at most; as many as the cluster has cores if None.

    Raises:
        OptionError: Ray is not installed or there is no cluster at the address.
    """
    ray = _connected(address, workers)
    try:
        task = ray.remote(do_clip).options(num_cpus=1, max_retries=TRIES - 1)
        waiting = iter(orders)
        under_way: dict[Any, Order] = {}
        more = True
        while more or under_way:
            room = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            while more and len(under_way) < room:
                order = next(waiting, None)
                if order is None:
                    more = False
                else:
                    under_way[task.remote(order)] = order
            done, _ = ray.wait(list(under_way), num_returns=1, timeout=LOOK_S) if under_way else ([], [])
            for one in done:
                yield _outcome(ray, one, under_way.pop(one))
    finally:
        for one in under_way:
            with suppress(Exception):  # the cluster may be gone
                ray.cancel(one, force=True)
        ray.shutdown()


def _outcome(ray: Any, one: Any, order: Order) -> Outcome:
    """What a task came to; one whose worker died too often has failed."""
    try:
        outcome: Outcome = ray.get(one)
    except ray.exceptions.RayError as error:
        said = (str(error).strip().splitlines() or [""])[0]
        problem = f"its worker on the cluster died {TRIES} times ({type(error).__name__}: {said})"
        return failed(order, problem, "run the batch again, with more memory for each core")
    return outcome


def check_cluster(address: str) -> None:
    """See before anything is done whether there may be a cluster.

    Args:
        address: as in `ray_outcomes`; one at which nobody listens is refused at once: Ray would try for minutes.

    Raises:
        OptionError: Ray is not installed, or nobody listens at the address.
    """
    if importlib.util.find_spec("ray") is None:
        raise OptionError("a cluster needs Ray, which is not installed; pip install 'kinebeat[cluster]'")
    host, colon, port = address.rpartition(":")
    if colon and "/" not in address and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
        except (OSError, OverflowError) as error:
            raise _none(address, str(error)) from error


def _connected(address: str, workers: int | None) -> Any:
    """Ray, connected to a cluster."""
    check_cluster(address)
    import ray

    how: dict[str, Any] = {
        "address": address,
        "log_to_driver": False,
        "logging_level": "ERROR",
        "runtime_env": {"env_vars": ONE_THREAD},
    }
    if address == LOCAL:
        how |= {"include_dashboard": False, "num_cpus": workers}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray has no other way to be told that nobody is to know
    ours = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        for tries_left in reversed(range(STARTS if address == LOCAL else 1)):
            try:
                ray.init(**how)
                break
            except Exception as error:
                ray.shutdown()
                # Ray gives its own processes half a minute to start, which a busy machine may take longer for.
                if "timed out" not in str(error) or not tries_left:
                    raise
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise _none(address, (str(error).strip().splitlines() or [type(error).__name__])[0]) from error
    except Exception as error:
        raise KinebeatError(f"Ray failed to start ({type(error).__name__}: {error}); see its logs") from error
    finally:
        if ours and handler is not None:
            signal.signal(signal.SIGTERM, handler)
    return ray


def _none(address: str, why: str) -> OptionError:
    return OptionError(f"no Ray cluster at {address!r} ({why}); start one with `ray start --head`, or take --ray local")
