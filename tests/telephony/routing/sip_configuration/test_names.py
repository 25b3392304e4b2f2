"""Names of trunks and domains."""

import pytest

from telephony.routing.sip_configuration.names import domain_of, is_fqdn

pytestmark = pytest.mark.unit

LONGEST = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 57])


@pytest.mark.parametrize("name", ["sbc.contoso.com", "111.fqdn.com", "a.b", "SBC.x--y.example", LONGEST])
def test_names_of_hosts_are_taken(name: str) -> None:
    assert is_fqdn(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "_", "-1", "sbc", ".sbc.com", "sbc.com.", "a..b", "a_b.com", "-a.com", "a-.com", "*.com"),
        *("1.2.3.4", "1.2", "sbc.0x7f", "sbc.0X", "[::1]", "::1", "sbc.com:5061", "sip:sbc.com", "a b.com"),
        *(
            "sbc.com\n",
            "sbc.com\0",
            "sbc.ｃｏｍ",
            "münchen.de",
            "sbc.com/x",
            "a" * 64 + ".com",
            LONGEST + "d",
        ),
    ],
)
def test_what_is_no_name_or_an_address_is_refused(name: str) -> None:
    assert not is_fqdn(name)


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("sbc.eu.contoso.com", "EU.contoso.com"),
        ("sbc.contoso.com", "contoso.com"),
        ("contoso.com", "contoso.com"),
        ("notcontoso.com", None),
        ("com", None),
    ],
)
def test_a_trunk_is_in_the_closest_domain(name: str, domain: str | None) -> None:
    assert domain_of(name, ["contoso.com", "EU.contoso.com"]) == domain
