"""Carriers as documents: built, hidden, located; what is wrong is told with file, key and remedy."""

from pathlib import Path
from typing import Any

import pytest

from tandem.carriers.documents import (
    built,
    complaints,
    has_references,
    located,
    restored,
    shown,
)
from telephony.kernel.errors import ConfigurationError

pytestmark = pytest.mark.unit

LINK = {"host": "smsc", "system_id": "me"}
TRUNK = {"host": "sip.example"}


def smpp(**fields: Any) -> dict[str, Any]:
    return {"smpp": {"one": {**LINK, **fields}}}


def sip(**fields: Any) -> dict[str, Any]:
    return {"sip": {"one": {**TRUNK, **fields}}}


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"smpp": {"one": {"system_id": "me"}}}, "carriers.acme.smpp.one.host: expected the name or address"),
    (smpp(port=0), "carriers.acme.smpp.one.port: expected a whole number from 1 to 65535, got 0"),
    (smpp(windw=5), "carriers.acme.smpp.one.windw: no such key; did you mean carriers.acme.smpp.one.window?"),
    (smpp(password="ninechars"), "carriers.acme.smpp.one.password: at most 8 octets"),
    (smpp(password="env:NOWHERE"), "carriers.acme.smpp.one.password: the environment has no NOWHERE"),
    (smpp(password="file:/nowhere/x"), "carriers.acme.smpp.one.password: /nowhere/x cannot be read"),
    ({"smpp": {"o ne": LINK}}, "carriers.acme.smpp: 'o ne' is no name: letters, digits, - and _"),
    ({"retry_on": ["ESME_ROK"]}, "carriers.acme.retry_on: expected one of"),
    ({"codecs": ["G729"]}, "carriers.acme.codecs: expected a list of 1 to 4 items, each one of"),
    ({"codecs": ["PCMA", "PCMA"]}, "carriers.acme.codecs: expected each one once"),
    (
        {"quirks": ["odd"]},
        'carriers.acme.quirks: expected a list of at most 6 items, each one of "no-options"',
    ),
    (
        {"formats": {"destination": {"form": "national"}}},
        "carriers.acme.formats.destination.country: national",
    ),
    ({"formats": {"sender": {"form": "any"}}}, 'carriers.acme.formats.sender.form: expected one of "digits"'),
    (
        {"formats": {}, "addressing": {"destination": {"ton": 1, "npi": 1, "plus": True}}},
        'carriers.acme.addressing: with formats say form = "e164" there',
    ),
    ({"limits": {"channels": -1}}, "carriers.acme.limits.channels: expected a whole number from 0"),
    (
        {"numbers": {"a": {"first": "030", "country": "Deutschland"}}},
        "carriers.acme.numbers.a.country: expected a text like ^[A-Z]{2}$",
    ),
    (
        {"numbers": {name: {"first": "+4930123400", "country": "DE"} for name in "ab"}},
        "carriers.acme.numbers: a and b share numbers",
    ),
    (sip(srtp="required"), 'carriers.acme.sip.one.srtp: "required" needs transport = "tls"'),
    (sip(addresses=["here"]), "carriers.acme.sip.one.addresses: 'here' is no address"),
    ({"quirks": ["no-options"], **sip(emergency=True)}, "carriers.acme.quirks: no-options: a trunk for"),
    (
        sip(transport="tls", tls={"key": "/x"}),
        "carriers.acme.sip.one.tls: certificate and key: expected both or neither",
    ),
    ({"rates": "my sheet"}, "carriers.acme.rates: expected a text like"),
    ({"sip": {"one": "sip.example"}}, "carriers.acme.sip.one: expected a table"),
]


@pytest.mark.parametrize(("document", "complaint"), MISTAKES, ids=[each for _, each in MISTAKES])
def test_a_mistake_is_told_with_file_key_and_remedy(document: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        built({"acme": document}, file="acme.toml", environment={})
    assert f"acme.toml: {complaint}" in told.value.message


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as told:
        built({"a": smpp(port=0), "b": sip(srtp="required")}, file="f.toml", environment={})
    assert len(told.value.message.splitlines()) == 2


SECRETS = {
    "smpp": {"one": {**LINK, "password": "hush", "outbind": {"system_id": "x", "password": "env:OUT"}}},
    "sip": {"one": {**TRUNK, "digest": {"username": "me", "password": "file:/run/x"}}},
    "later": {"password": "of a later version"},
}


def test_secrets_are_stars_and_references_are_shown() -> None:
    seen = shown(SECRETS)
    assert seen["smpp"]["one"]["password"] == "***"
    assert seen["smpp"]["one"]["outbind"]["password"] == "env:OUT"
    assert seen["sip"]["one"]["digest"] == {"username": "me", "password": "file:/run/x"}
    assert seen["later"] == {"password": "***"}
    assert seen["smpp"]["one"]["host"] == "smsc"


def test_stars_keep_a_secret_and_stand_for_none_without_one() -> None:
    assert restored(shown(smpp(password="hush")), smpp(password="hush")) == smpp(password="hush")
    left = restored(smpp(password="***"), smpp())
    assert complaints(left, Path("/var/tandem")) == [
        "smpp.one.password: the stars stand for a secret; expected itself, or file:PATH, or env:NAME"
    ]


@pytest.mark.parametrize(
    ("password", "wrong"),
    [
        ("env:TANDEM_MASTER_KEY", "is a setting of the node"),
        ("file:secret", "expected a path from the root"),
        ("file:/var/tandem/admin-key", "is in the node's own folder"),
        ("file:/etc/../var/tandem/x", "is in the node's own folder"),
        ("file:/run/secrets/acme", ""),
        ("env:ACME", ""),
        ("hush", ""),
    ],
)
def test_what_is_the_nodes_own_is_no_carriers_secret(password: str, wrong: str) -> None:
    found = complaints(smpp(password=password), Path("/var/tandem"))
    assert bool(found) is bool(wrong)
    assert all(wrong in each for each in found)


def test_certificates_are_looked_at_like_secrets() -> None:
    tls = {"ca": "ca.pem", "certificate": "/var/tandem/own.pem", "key": "/etc/acme.pem"}
    found = complaints(smpp(tls=tls), Path("/var/tandem"))
    assert [each.partition(":")[0] for each in found] == ["smpp.one.tls.ca", "smpp.one.tls.certificate"]


def test_files_are_named_from_the_root() -> None:
    document = smpp(password="file:secrets/acme", tls={"ca": "../ca.pem", "server_name": "smsc"})
    found = located(document, Path("/etc/tandem/carriers"))["smpp"]["one"]
    assert found["password"] == "file:/etc/tandem/carriers/secrets/acme"
    assert found["tls"] == {"ca": "/etc/tandem/carriers/../ca.pem", "server_name": "smsc"}
    assert located(smpp(password="env:X"), Path("/etc")) == smpp(password="env:X")


def test_references_are_found_wherever_they_stand() -> None:
    assert has_references(SECRETS)
    assert not has_references(smpp(password="hush", system_type="env:x"))
