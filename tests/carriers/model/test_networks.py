"""Lists of addresses: who may come."""

import pytest

from carriers.model.networks import Networks

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("listed", "address", "inside"),
    [
        (["192.0.2.7"], "192.0.2.7", True),
        (["192.0.2.7"], "192.0.2.8", False),
        (["10.0.0.0/8", "192.0.2.0/24"], "192.0.2.8", True),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["fd00::/8"], "fd12::1", True),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["fd00::/8"], "10.1.2.3", False),
        (["0.0.0.0/0"], "::1", False),
        (["0.0.0.0/0"], "smsc.example", False),
        (["0.0.0.0/0"], "", False),
        ([], "127.0.0.1", False),
    ],
)
def test_an_address_is_in_a_list_or_not(listed: list[str], address: str, inside: bool) -> None:
    assert (address in Networks(listed)) is inside
    assert bool(Networks(listed)) is bool(listed)


@pytest.mark.parametrize("wrong", ["smsc.example", "10.0.0.1/8", "", "10.0.0.0/33"])
def test_what_is_no_network_is_named(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no address and no network"):
        Networks([wrong])
