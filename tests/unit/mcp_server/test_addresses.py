from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from mcp_server.outside import addresses


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::",
    ],
)  # fmt: skip
def test_not_public(settings: Any, address: str) -> None:
    settings.OUTSIDE_NETWORKS = []
    assert not addresses.allowed(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_public(settings: Any, address: str) -> None:
    settings.OUTSIDE_NETWORKS = []
    assert addresses.allowed(ip_address(address))


def test_networks_that_are_named(settings: Any) -> None:
    settings.OUTSIDE_NETWORKS = [ip_network("10.1.0.0/16"), ip_network("fd12::/16")]
    for address, whether in {"10.1.2.3": True, "::ffff:10.1.2.3": True, "fd12::9": True, "10.2.0.1": False}.items():
        assert addresses.allowed(ip_address(address)) is whether, address


@pytest.mark.parametrize(
    "url",
    [
        "", "mcp", "ftp://example.org/mcp", "http://", "https://user:word@example.org/mcp", "https://example.org/?a=1",
        "https://example.org/#a", "https://example.org:0/", "https://example.org:99999/", "https://exa mple.org/",
        "https://example.org/\n", f"https://example.org/{'x' * 500}",
    ],
)  # fmt: skip
def test_no_addresses(url: str) -> None:
    with pytest.raises(ValueError):
        addresses.check(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1/mcp", "http://[::1]:80/mcp", "https://192.168.0.9/mcp"])
def test_literal_addresses_are_refused_at_once(settings: Any, url: str) -> None:
    settings.OUTSIDE_NETWORKS = []
    with pytest.raises(addresses.Forbidden):
        addresses.check(url)


def test_addresses() -> None:
    for url in ("https://tools.example.org/mcp", "http://tools:8080/", "https://1.1.1.1/mcp"):
        assert addresses.check(url) == url
