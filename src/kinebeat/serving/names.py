"""By which names a server goes.

A page of somebody else can have its own name lead to this computer (DNS rebinding) and would then be of one origin with
the server, so requests to names that are not the server's own are refused.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinebeat.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

HTTP_PORT = 80
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class OwnNames:
    """What may stand in the header `Host`, and in `Origin`.

    Attributes:
        hosts: names with their port, in small letters.
        given: of them those that the user gave: a proxy with TLS may stand before these.
        addresses_at: the port at which any IP address is our own, for a server that listens on all; else None.
    """

    hosts: frozenset[str]
    given: frozenset[str] = frozenset()
    addresses_at: int | None = None

    def has(self, host: str) -> bool:
        """Whether a request with this `Host` was meant for us."""
        host = host.lower()
        return host in self.hosts or (self.addresses_at is not None and _is_address(host, self.addresses_at))

    def is_own_page(self, origin: str, host: str) -> bool:
        """Whether a request to `host` comes from a page that this server gave out under that same name."""
        host, origin = host.lower(), origin.lower()
        return self.has(host) and (origin == f"http://{host}" or (host in self.given and origin == f"https://{host}"))


def own_names(host: str, port: int, names: Iterable[str] = ()) -> OwnNames:
    """The names of a server.

    Args:
        host: the address that it listens on, or a name for it.
        port: the port.
        names: more names that lead to it, such as `studio.local`.

    Raises:
        OptionError: what is given is no name.
    """
    given = [name.lower() for name in names]
    for name in given:
        if not _NAME.fullmatch(name):
            raise OptionError(f"{name[:60]!r} is no name of a computer; give one like studio.local, without http://")
    own = {_bracketed(host.lower())}
    if is_loopback(host):
        own |= {"127.0.0.1", "localhost", "[::1]"}
    everywhere = _is_everywhere(host)
    if everywhere:
        own = {"localhost"}
    ported = {f"{name}:{port}" for name in own | set(given)}
    if port == HTTP_PORT:
        ported |= own
    # A browser leaves out the port of a proxy that stands at the usual one.
    proxied = {*given, *(f"{name}:{port}" for name in given)}
    return OwnNames(frozenset(ported | proxied), frozenset(proxied), port if everywhere else None)


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this computer alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_everywhere(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _is_address(host: str, port: int) -> bool:
    """Whether this is an IP address with the port."""
    address, colon, ending = host.rpartition(":")
    if not colon or address.endswith(":"):
        address, ending = host, str(HTTP_PORT)
    if ending != str(port):
        return False
    try:
        if address.startswith("[") and address.endswith("]"):
            ipaddress.IPv6Address(address[1:-1])
        else:
            ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return True
