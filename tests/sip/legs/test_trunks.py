"""Trunks as signalling needs them."""

import uuid

import pytest

from carriers.model.carrier import Carrier
from carriers.model.quirks import Quirk
from carriers.model.sip import SipDigest, SipTrunk
from sip.legs.trunks import OWN, TrunkDirectory, facts_of
from sip.wire.digest import ha1
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.secret import Secret
from telephony.routing.sip_configuration.configuration import Trunk as OwnTrunk

pytestmark = pytest.mark.unit


def carrier(*addresses: str, **options: object) -> Carrier:
    return Carrier(sip={"voice": SipTrunk(host="carrier.test", addresses=addresses, **options)})  # type: ignore[arg-type]


def test_a_directory_follows_changes() -> None:
    carriers = {"one": carrier("192.0.2.1")}
    directory = TrunkDirectory(carriers)
    assert directory.find("one", "voice") is not None
    assert directory.sources() == ("192.0.2.1/32",)
    carriers["one"] = carrier("192.0.2.2")
    carriers["two"] = carrier("192.0.2.3")
    assert directory.sources() == ("192.0.2.2/32", "192.0.2.3/32")
    assert directory.by_source("192.0.2.1") is None
    del carriers["one"]
    assert directory.find("one", "voice") is None
    assert [facts.label for facts in directory.all()] == ["two/voice"]


def test_the_longest_network_decides() -> None:
    directory = TrunkDirectory({"wide": carrier("192.0.0.0/16"), "narrow": carrier("192.0.2.0/24")})
    narrow, wide = directory.by_source("192.0.2.7"), directory.by_source("192.0.3.7")
    assert narrow is not None
    assert wide is not None
    assert (narrow.carrier, wide.carrier) == ("narrow", "wide")
    assert directory.by_source("198.51.100.1") is None
    assert directory.by_source("garbage") is None


def test_trunks_are_found_by_their_label() -> None:
    directory = TrunkDirectory({"one": carrier()})
    facts = directory.labelled("one/voice")
    assert facts is not None
    assert facts.label == "one/voice"
    assert directory.labelled("one") is None
    assert directory.labelled("one/other") is None


def test_a_resources_own_sbc_is_a_trunk() -> None:
    resource = ResourceId(uuid.uuid4().bytes)
    known = {(resource, "sbc.example.com"): OwnTrunk(sip_signaling_port=5071)}
    directory = TrunkDirectory({}, lambda owner, name: known.get((owner, name)))
    facts = directory.find(OWN + to_text(resource), "sbc.example.com")
    assert facts is not None
    assert (facts.host, facts.port, facts.transport) == ("sbc.example.com", 5071, "tls")
    assert directory.find(OWN + to_text(resource), "other.example.com") is None
    assert directory.find(OWN + "garbage", "sbc.example.com") is None
    assert TrunkDirectory({}).find(OWN + to_text(resource), "sbc.example.com") is None


def test_credentials_are_of_one_realm() -> None:
    named = SipDigest(username="desk", password=Secret("word"), realm="carrier.test")
    facts = facts_of("one", carrier(digest=named))["voice"]
    credentials = facts.credentials()
    assert credentials is not None
    assert credentials.ha1 == ha1("desk", "carrier.test", "word")
    assert facts.credentials("phishing.test") is None


def test_without_a_realm_the_carrier_names_it() -> None:
    facts = facts_of("one", carrier(digest=SipDigest(username="desk", password=Secret("word"))))["voice"]
    assert facts.credentials() is None
    named = facts.credentials("theirs.test")
    assert named is not None
    assert named.ha1 == ha1("desk", "theirs.test", "word")
    assert facts_of("one", carrier())["voice"].credentials("theirs.test") is None


def test_audio_is_encrypted_only_with_tls() -> None:
    assert facts_of("one", carrier(srtp="optional", transport="tls"))["voice"].encrypts
    assert not facts_of("one", carrier(srtp="optional"))["voice"].encrypts


def test_codecs_that_nobody_speaks_are_left_out_and_quirks_are_facts() -> None:
    settings = Carrier(
        sip={"voice": SipTrunk(host="carrier.test")},
        codecs=("opus", "G722", "PCMA"),
        quirks=tuple(Quirk),
    )
    facts = facts_of("one", settings)["voice"]
    assert facts.codecs == ("G722", "PCMA")
    assert (facts.session_timer, facts.reliable, facts.private_sdp, facts.options_seconds) == (
        False,
        False,
        True,
        0,
    )
