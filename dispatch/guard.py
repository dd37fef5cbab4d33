"""Which address a message may go to: configured hosts only, and none inside our own network.

The address that was checked is the one that is connected to, so a name that resolves to another
address a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit


class Refused(Exception):
    """The address is not one that may be posted to: a wrong setting, or an attack."""


class Target(NamedTuple):
    """Where to connect, and what to say to whom."""

    scheme: str
    host: str
    port: int
    address: str
    path: str


_INSIDE = tuple(ipaddress.ip_network(net) for net in (
    "192.0.0.0/24", "fec0::/10", "64:ff9b:1::/48", "3fff::/20"))
"""Which some versions of Python take for global: of protocols, of sites, of translators, of books.
"""
Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """Addresses of a name, as the system knows them.

    Raises
    ------
    OSError: there is none, or nobody answers.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def target(url: str, hosts: Collection[str], *, private: bool,
           resolver: Resolve = resolve) -> Target:
    """The checked address of a URL.

    Parameters
    ----------
    hosts
        Names that may be posted to, exactly.
    private
        Whether this endpoint was set to lie inside our own network; only then http and private or
        loopback addresses will do.

    Raises
    ------
    Refused: it may not be posted to. OSError: it cannot be resolved.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Refused("url: not a URL") from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https" and not (parts.scheme == "http" and private):
        raise Refused(f"scheme={parts.scheme}: must be https")
    if parts.username is not None or parts.password is not None:
        raise Refused("url: must not hold a user")
    if host not in hosts:
        raise Refused(f"host={host}: not in delivery.hosts")
    addresses = resolver(host, port)
    if not addresses:
        raise OSError(f"{host}: no address")
    for address in addresses:
        # One bad address among good ones is how a rebinding answer looks: none is used then.
        if not private and not is_public(address):
            raise Refused(f"host={host}: {address} is not a public address")
        if private and _never(address):
            raise Refused(f"host={host}: {address} is no address of a host")
    path = parts.path or "/"
    return Target(parts.scheme, host, port, addresses[0],
                  f"{path}?{parts.query}" if parts.query else path)


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, whatever it is wrapped in."""
    ip = _unwrapped(address)
    return ip is not None and ip.is_global and not (
        ip.is_multicast or ip.is_reserved or ip.is_unspecified
        or any(ip in net for net in _INSIDE if net.version == ip.version))


def _never(address: str) -> bool:
    """Link-local (where clouds keep their metadata), multicast, unspecified."""
    ip = _unwrapped(address)
    return ip is None or ip.is_link_local or ip.is_multicast or ip.is_unspecified


def _unwrapped(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return inner or ip
    return ip
