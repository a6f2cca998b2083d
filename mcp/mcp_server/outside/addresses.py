"""Where outside servers may be: at public addresses, and in networks that the settings name.

Names are looked up here, and the connection goes to the address that was looked at: a name that leads elsewhere at the
second question (DNS rebinding) leads nowhere.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from django.conf import settings

Address = IPv4Address | IPv6Address
LONGEST = 500
"""Characters of a URL."""
_TRANSLATED = IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")
"""NAT64: what looks public leads to any address of IPv4."""


class Forbidden(Exception):
    """An outside server may not be there."""


def allowed(address: Address) -> bool:
    """Whether connections may go there."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in settings.OUTSIDE_NETWORKS if network.version == address.version):
        return True
    if isinstance(address, IPv6Address) and (
        address.sixtofour or address.teredo or any(address in network for network in _TRANSLATED)
    ):
        return False
    return address.is_global and not address.is_multicast


def check(url: str) -> str:
    """The URL of an outside server, as it is kept. Raises: ValueError, Forbidden for an address that may not be."""
    if len(url) > LONGEST or any(ord(one) <= 32 or ord(one) == 127 for one in url):
        raise ValueError(f"an address of at most {LONGEST} characters without blanks")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("it does not look like https://tools.example.org/mcp")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("leave out names, passwords, queries and fragments; the token has its own place")
    try:
        literal = ip_address(parts.hostname)
    except ValueError:
        return url
    if not allowed(literal):
        raise Forbidden(_sentence(parts.hostname))
    return url


async def find(host: str, port: int) -> str:
    """An address of a host that connections may go to. Raises: Forbidden, OSError when there is none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(info[4][0]).partition("%")[0] for info in found]
    for address in addresses:
        if allowed(ip_address(address)):
            return address
    raise Forbidden(_sentence(host))


def _sentence(host: str) -> str:
    return f"{host} is not at a public address; THUNDERLINE_OUTSIDE_NETWORKS names others that are allowed"
