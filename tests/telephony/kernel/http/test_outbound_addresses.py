"""Which addresses and URLs are refused, without a socket."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.kernel.errors import ConfigurationError
from telephony.kernel.http.outbound_addresses import (
    AddressPolicy,
    DestinationRefused,
    OutboundSettings,
    is_public,
    parse_destination,
)

pytestmark = [pytest.mark.unit, pytest.mark.promise("R25")]


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::8.8.8.8", "172.32.0.1"]
)
def test_public_addresses_are_permitted(address: str) -> None:
    policy = AddressPolicy(OutboundSettings())
    assert policy.permits(address, 443)
    assert not policy.permits(address, 25)


@given(st.ip_addresses())
@settings(max_examples=300)
def test_whatever_python_calls_special_is_not_public(address: ipaddress.IPv4Address) -> None:
    special = (
        address.is_private
        or address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
    )
    nat64 = isinstance(address, ipaddress.IPv6Address) and address in ipaddress.ip_network("64:ff9b::/96")
    if special and not nat64:
        assert not is_public(address)


@given(st.ip_addresses(v=4), st.sampled_from(["::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::"]))
@settings(max_examples=200)
def test_an_address_inside_another_is_never_easier_to_reach(
    inner: ipaddress.IPv4Address, prefix: str
) -> None:
    outer = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(inner))
    assert not is_public(outer) or is_public(inner)


def test_networks_of_ones_own_are_permitted_by_name_only() -> None:
    policy = AddressPolicy(OutboundSettings(allow=("10.1.0.0/16", "127.0.0.1:8080", "[fd00::/8]:443", "::1")))
    assert policy.permits("10.1.2.3", 9)
    assert policy.permits("127.0.0.1", 8080)
    assert policy.permits("fd00::1", 443)
    assert policy.permits("::1", 1)
    for address, port in (
        ("10.2.0.1", 80),
        ("127.0.0.1", 80),
        ("127.0.0.2", 8080),
        ("fd00::1", 80),
        ("::ffff:10.1.2.3", 80),
        ("::1%lo", 1),
        ("name", 80),
    ):
        assert not policy.permits(address, port)


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1/8", "host", "127.0.0.1:0", "127.0.0.1:65536", "[::1", "1:2:3"]
)
def test_a_network_that_cannot_be_read_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"outbound\.allow"):
        AddressPolicy(OutboundSettings(allow=(text,)))


@given(st.ip_addresses(v=4), st.integers(1, 4), st.tuples(*[st.sampled_from("dox")] * 4))
@settings(max_examples=200)
def test_every_spelling_of_an_ipv4_address_is_read_as_that_address(
    address: ipaddress.IPv4Address, parts: int, bases: tuple[str, ...]
) -> None:
    value = int(address)
    leading = [(value >> (24 - 8 * index)) & 255 for index in range(parts - 1)]
    numbers = [*leading, value & ((1 << (8 * (5 - parts))) - 1)]
    spell = {"d": str, "o": lambda number: f"0{number:o}", "x": hex}
    host = ".".join(spell[base](number) for number, base in zip(numbers, bases, strict=False))
    assert parse_destination(f"http://{host}/").host == str(address)


@given(st.text(max_size=60))
@settings(max_examples=300)
def test_any_text_is_a_destination_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"http://host{text}/"):
        try:
            destination = parse_destination(url)
        except DestinationRefused:
            continue
        assert destination.url.isascii()
        assert "@" not in destination.origin


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com:443/a?b=c#d", "https://example.com/a?b=c"),
        ("https://example.com/a%2Fb?code=a%3D%3D+x&y=%7e", "https://example.com/a%2Fb?code=a%3D%3D+x&y=%7e"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("http://[2606:4700:0::1111]:8080/", "http://[2606:4700::1111]:8080/"),
        ("http://a_b.example//x?y?z", "http://a_b.example//x?y?z"),
    ],
)
def test_a_url_keeps_its_path_and_query_as_they_were(url: str, expected: str) -> None:
    assert parse_destination(url).url == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://1.2.3.4.5/",
        "http://256.1.1.1/",
        "http://1.2.3.08/",
        "http://0x1g.1/",
        "http://example.0x7f/",
        "http://4294967296/",
        "http://exa mple.com/",
        "http://-a.example/",
        "http://a..example/",
        "http://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * 2048,
        "http:///path",
        "http://[v1.x]/",
        "http://[::1%25lo]/",
        "example.com",
        "",
    ],
)
def test_a_url_that_parsers_could_disagree_about_is_refused(url: str) -> None:
    with pytest.raises(DestinationRefused):
        parse_destination(url)
