"""A listening socket, or one clear line why there is none."""

from __future__ import annotations

import socket

from kinebeat.errors import KinebeatError

LOOPBACK = "127.0.0.1"
BACKLOG, LAST_PORT = 128, 65535


class ServerError(KinebeatError):
    """A page cannot be served."""


def listening(port: int, host: str = LOOPBACK) -> socket.socket:
    """A socket that listens already, so that no second server can take its port.

    Args:
        port: where; 0 takes any that is free.
        host: the address of this computer, or its name.

    Raises:
        ServerError: the port is in use or not permitted, or the address is none of this computer.
    """
    if not 0 <= port <= LAST_PORT:  # the system would take the remainder
        raise ServerError(f"port {port} cannot be used (there is none); choose another with --port")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ServerError(f"{host!r} is no address of this computer ({_reason(error)}); choose another") from error
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        # Two sockets may be bound to one port before either listens: whoever listens first has it.
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        where = f"port {port}" if host == LOOPBACK else f"port {port} of {host}"
        raise ServerError(f"{where} cannot be used ({_reason(error)}); choose another with --port") from error
    return opened


def _reason(error: Exception) -> str:
    """What the system says."""
    return getattr(error, "strerror", None) or str(error)
