"""Tokens: what clients read of them, and what is refused."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from azure.communication.identity._shared.user_credential import CommunicationTokenCredential
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.identity.keys import KeyId, new_private_key
from telephony.identity.names import UserId
from telephony.identity.scopes import Scope
from telephony.identity.token import (
    LEEWAY_SECONDS,
    MAX_LENGTH,
    Claims,
    Forged,
    Token,
    check_minutes,
    claims_for,
    key_named,
    sign,
    verify,
)
from telephony.kernel.clock import SECOND
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import ResourceId, to_text

pytestmark = pytest.mark.unit

KEY = new_private_key()
KEY_ID = KeyId(bytes(range(16)))
RESOURCE, USER = ResourceId(b"r" * 16), UserId(b"u" * 16)
NOW = 1_800_000_000
PEM = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def token(**changes: Any) -> Token:
    fields = {
        "resource": RESOURCE,
        "user": USER,
        "key": KEY_ID,
        "scopes": (Scope.CHAT, Scope.VOIP),
        "issued": NOW,
        "not_before": NOW,
        "expires": NOW + 3600,
        "generation": 0,
        **changes,
    }
    return Token(**fields)


def claims(**changes: Any) -> Claims:
    return claims_for(
        token(**changes), issuer="https://one.test:8443", location="tandem", identifier=bytes(16)
    )


def checked(text: str, resource: ResourceId = RESOURCE) -> Token:
    named = key_named(text)
    assert named == KEY_ID
    return verify(text, named, KEY.public_key(), resource)


def test_a_token_says_what_was_put_into_it() -> None:
    assert checked(sign(claims(), KEY, KEY_ID)) == token()


def test_it_has_the_claims_that_acs_clients_read() -> None:
    payload = jwt.decode(sign(claims(), KEY, KEY_ID), options={"verify_signature": False})
    assert payload == {
        "skypeid": f"acs:{to_text(RESOURCE)}_{to_text(USER)}",
        "scp": 1792,
        "csi": str(NOW),
        "iat": NOW,
        "exp": NOW + 3600,
        "acsScope": "chat,voip",
        "resourceId": to_text(RESOURCE),
        "resourceLocation": "tandem",
        "iss": "https://one.test:8443",
        "jti": to_text(bytes(16)),
        "rev": 0,
    }


@given(
    resource=st.binary(min_size=16, max_size=16),
    user=st.binary(min_size=16, max_size=16),
    scopes=st.lists(st.sampled_from(list(Scope)), min_size=1, unique=True),
    issued=st.integers(min_value=0, max_value=2**34),
    generation=st.integers(min_value=0, max_value=2**31),
    host=st.from_regex(r"\A[a-z0-9._\-]{1,40}(:[0-9]{1,5})?\Z"),
)
@settings(max_examples=100, deadline=None)
def test_azures_python_client_decodes_every_token(
    resource: bytes, user: bytes, scopes: list[Scope], issued: int, generation: int, host: str
) -> None:
    said = token(
        resource=ResourceId(resource),
        user=UserId(user),
        scopes=tuple(scopes),
        issued=issued,
        expires=issued + 3600,
        generation=generation,
    )
    text = sign(claims_for(said, issuer=f"https://{host}", location="tandem", identifier=user), KEY, KEY_ID)
    assert not set(text.split(".")[1]) & {"-", "_"}
    assert CommunicationTokenCredential(text).get_token().expires_on == issued + 3600


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
@settings(max_examples=100, deadline=None)
def test_a_claim_breaks_no_client_or_is_not_signed(location: str) -> None:
    wanted = claims_for(token(), issuer="https://one.test", location=location, identifier=bytes(16))
    try:
        text = sign(wanted, KEY, KEY_ID)
    except ValueError:
        assert any(letter in ">?~" or not " " <= letter <= "~" for letter in location)
    else:
        assert CommunicationTokenCredential(text).get_token().expires_on == NOW + 3600


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _without_algorithm(payload: dict[str, Any]) -> str:
    return f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': to_text(KEY_ID)})}.{_part(payload)}."


def _hmac_with_the_public_key(payload: dict[str, Any]) -> str:
    head = f"{_part({'alg': 'HS256', 'kid': to_text(KEY_ID)})}.{_part(payload)}"
    mac = hmac.digest(PEM, head.encode(), hashlib.sha256)
    return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _by(key: Any, algorithm: str, **header: Any) -> Callable[[dict[str, Any]], str]:
    def made(payload: dict[str, Any]) -> str:
        return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": to_text(KEY_ID), **header})

    return made


FORGERIES: dict[str, Callable[[dict[str, Any]], str]] = {
    "no algorithm": _without_algorithm,
    "no algorithm, written otherwise": lambda payload: _without_algorithm(payload).replace(
        _part({"alg": "none", "typ": "JWT", "kid": to_text(KEY_ID)}),
        _part({"alg": "nOnE", "kid": to_text(KEY_ID)}),
    ),
    "an HMAC with the public key": _hmac_with_the_public_key,
    "another key of the same kind": _by(new_private_key(), "ES256"),
    "another curve": _by(ec.generate_private_key(ec.SECP384R1()), "ES384"),
    "RSA": _by(rsa.generate_private_key(65537, 2048), "RS256"),
    "EdDSA": _by(ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    "no key named": _by(KEY, "ES256", kid=""),
    "a path for a key": _by(KEY, "ES256", kid="../../etc/passwd"),
    "SQL for a key": _by(KEY, "ES256", kid="' OR 1=1 --"),
    "a critical header": _by(KEY, "ES256", crit=["exp"]),
    "its own key in the header": lambda payload: _by(
        other := new_private_key(),
        "ES256",
        jwk=json.loads(jwt.algorithms.ECAlgorithm.to_jwk(other.public_key())),
    )(payload),
    "the address of its own keys": _by(new_private_key(), "ES256", jku="https://evil.example/jwks.json"),
    "no signature": lambda payload: _by(KEY, "ES256")(payload).rpartition(".")[0] + ".",
    "a signature of zeros": lambda payload: _by(KEY, "ES256")(payload).rpartition(".")[0] + "." + "A" * 86,
    "changed claims": lambda payload: ".".join(
        part if index != 1 else _part({**payload, "exp": payload["exp"] + 1})
        for index, part in enumerate(_by(KEY, "ES256")(payload).split("."))
    ),
    "no resource": lambda payload: _by(KEY, "ES256")(_less(payload, "resourceId")),
    "another resource": lambda payload: _by(KEY, "ES256")({**payload, "resourceId": to_text(b"x" * 16)}),
    "another resource's user": lambda payload: _by(KEY, "ES256")(
        {**payload, "skypeid": payload["skypeid"].replace(to_text(RESOURCE), to_text(b"x" * 16))}
    ),
    "no user": lambda payload: _by(KEY, "ES256")({**payload, "skypeid": "acs:me"}),
    "no end": lambda payload: _by(KEY, "ES256")(_less(payload, "exp")),
    "an end that is no number": lambda payload: _by(KEY, "ES256")({**payload, "exp": "never"}),
    "no scope": lambda payload: _by(KEY, "ES256")({**payload, "acsScope": ""}),
    "a scope that there is not": lambda payload: _by(KEY, "ES256")({**payload, "acsScope": "chat,root"}),
    "no generation": lambda payload: _by(KEY, "ES256")(_less(payload, "rev")),
    "a list": lambda _: _by(KEY, "ES256")({}).split(".")[0] + "." + _part([1]) + "." + "A" * 86,
    "too long": lambda payload: _by(KEY, "ES256")({**payload, "more": "x" * MAX_LENGTH}),
}


def _less(payload: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != name}


@pytest.mark.parametrize("how", FORGERIES)
def test_a_forged_token_is_refused(how: str) -> None:
    payload = jwt.decode(sign(claims(), KEY, KEY_ID), options={"verify_signature": False})
    with pytest.raises(Forged):
        checked(FORGERIES[how](payload))


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_token_or_forged(text: str) -> None:
    for candidate in (text, f"{text}.{text}.{text}", sign(claims(), KEY, KEY_ID)[:-3] + text):
        with pytest.raises(Forged):
            checked(candidate)


@given(
    st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3))
)
@settings(max_examples=50, deadline=None)
def test_any_signed_claims_are_a_token_or_forged(value: object) -> None:
    payload = jwt.decode(sign(claims(), KEY, KEY_ID), options={"verify_signature": False})
    for name in ("exp", "iat", "nbf", "acsScope", "skypeid", "rev", "scp"):
        try:
            checked(_by(KEY, "ES256")({**payload, name: value}))
        except (Forged, TypeError):  # the last: PyJWT refuses to make it
            continue


def test_a_token_is_in_force_from_its_issue_to_its_end() -> None:
    said = token()
    assert said.timely(NOW * SECOND)
    assert said.timely((NOW + 3600) * SECOND - 1)
    assert not said.timely((NOW + 3600) * SECOND)


def test_a_token_of_the_future_is_not_in_force_yet_but_clocks_may_differ_a_little() -> None:
    early = NOW - LEEWAY_SECONDS
    assert token().timely(early * SECOND)
    assert not token().timely(early * SECOND - 1)
    assert not token(not_before=NOW + 1000).timely(NOW * SECOND)


@pytest.mark.parametrize("minutes", [60, 61, 1439, 1440])
def test_lives_that_acs_takes_are_taken(minutes: int) -> None:
    assert check_minutes(minutes) == minutes


@pytest.mark.parametrize("minutes", [-1, 0, 59, 1441, 2**40])
def test_other_lives_are_refused(minutes: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_minutes(minutes)
    assert refused.value.target == "expiresInMinutes"
