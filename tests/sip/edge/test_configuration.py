"""Kamailio's configuration as text: whose calls may come, and that nothing breaks out of its quotes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from carriers.model.sip import SipDigest
from sip.edge.configuration import configuration, peers, workers
from sip.edge.settings import EdgeSettings
from sip.legs.trunks import TrunkFacts
from telephony.kernel.secret import Secret

pytestmark = pytest.mark.unit

EDGE = EdgeSettings(folder=Path("/var/lib/tandem/edge"), port=5060, first_worker_port=5100, ins=2, outs=2)
SECRET = "0123456789abcdef"


def facts(carrier: str, name: str, *addresses: str) -> TrunkFacts:
    return TrunkFacts(carrier, name, "192.0.2.1", addresses=addresses)


def test_the_longest_network_stands_first() -> None:
    table = peers([facts("a", "wide", "198.51.100.0/24"), facts("b", "one", "198.51.100.7")])
    assert table == "1 198.51.100.7 32 0 b/one\n1 198.51.100.0 24 0 a/wide\n"


def test_a_trunk_without_addresses_lets_nobody_in() -> None:
    assert peers([facts("a", "none")]) == ""


def test_addresses_of_ipv6_are_left_out() -> None:
    assert peers([facts("a", "six", "2001:db8::/32")]) == ""


def test_every_worker_that_takes_calls_stands_with_what_it_holds() -> None:
    assert workers(EDGE) == (
        "1 sip:127.0.0.1:5100 0 0 duid=w0;maxload=4\n1 sip:127.0.0.1:5101 0 0 duid=w1;maxload=4\n"
    )


@pytest.mark.parametrize(
    "secret", ["", "short", "with space 123456", 'quote"12345678901234', "new\nline4567890123"]
)
def test_a_secret_that_could_leave_its_quotes_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        configuration(EDGE, secret)


def test_a_folder_that_could_leave_its_quotes_is_refused() -> None:
    with pytest.raises(ValueError, match="paths"):
        configuration(EdgeSettings(folder=Path('/tmp/a"; exec("x")')), SECRET)


@settings(max_examples=100)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_name_of_a_trunk_makes_a_second_line_or_field(carrier: str, name: str) -> None:
    table = peers([facts(carrier, name, "192.0.2.1")])
    assert table == "" or (table.count("\n") == 1 and len(table.split()) == 5)


def test_ports_and_secret_stand_in_the_script() -> None:
    script = configuration(EDGE, SECRET)
    assert "listen=udp:127.0.0.1:5060\nlisten=tcp:127.0.0.1:5060\n" in script
    assert "$sp >= 5100 && $sp <= 5103" in script
    assert f'"X-Tandem-Edge: {SECRET}\\r\\n"' in script
    assert "tls" not in script.replace("enable_tls", "")


def test_behind_address_translation_peers_are_told_the_public_address() -> None:
    edge = EdgeSettings(folder=Path("/x"), address="10.0.0.5", public_address="203.0.113.9")
    assert "listen=udp:10.0.0.5:5060 advertise 203.0.113.9:5060" in configuration(edge, SECRET)


def test_a_trunk_that_has_to_prove_itself_is_not_let_in_by_its_address_alone() -> None:
    digest = SipDigest(username="u", password=Secret("p"))
    assert peers([replace(facts("a", "b", "192.0.2.1"), challenge=digest)]) == ""
