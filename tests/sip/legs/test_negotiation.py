"""What a peer's SDP says, as the engine takes it."""

import base64

import pytest
from msgspec.structs import replace

from sip.legs.negotiation import Usage, is_held, media_of, objection
from sip.media.protocol import Address, Direction, Media
from sip.workers.messages import Codec, Place, Remote

pytestmark = pytest.mark.unit

KEY = base64.b64encode(bytes(range(30))).decode()
PLACE = Place("leg", "127.0.0.1", 20_000, base64.b64encode(bytes(30)).decode())
PEER = Remote("192.0.2.1", 4000, Codec("PCMA", 8, 8000, 101), "sendrecv")
OFFER = "v=0\r\no=p 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"


def media(remote: Remote, before: Media | None = None, **usage: object) -> Media:
    found = media_of(remote, PLACE, Usage(**usage), before)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("says", "holding", "does"),
    [
        ("sendrecv", False, Direction.SENDRECV),
        ("sendonly", False, Direction.RECVONLY),
        ("recvonly", False, Direction.SENDONLY),
        ("inactive", False, Direction.INACTIVE),
        ("sendrecv", True, Direction.SENDONLY),
        ("recvonly", True, Direction.SENDONLY),
        ("sendonly", True, Direction.INACTIVE),
        ("inactive", True, Direction.INACTIVE),
    ],
)
def test_directions_answer_each_other(says: str, holding: bool, does: Direction) -> None:
    assert media(replace(PEER, direction=says), holding=holding).direction is does


def test_nobody_is_missed_who_holds_or_is_held() -> None:
    assert media(PEER).timeout == 60.0
    assert media(PEER, holding=True).timeout == 0.0
    assert media(replace(PEER, direction="sendonly")).timeout == 0.0


def test_an_address_of_zeros_holds_and_leaves_the_address() -> None:
    before = media(PEER)
    old = replace(PEER, host="0.0.0.0", direction="sendonly")
    assert is_held(old)
    assert media(old, before).remote == Address("192.0.2.1", 4000)


def test_the_agreed_codec_is_sent_and_the_well_known_ones_are_taken() -> None:
    formats = media(PEER).formats
    assert [each.codec.value for each in formats] == ["PCMA", "PCMU", "G722"]
    assert formats[0].payload_type == 8


@pytest.mark.parametrize(
    "remote", [replace(PEER, host="2001:db8::1"), replace(PEER, codec=Codec("SPEEX", 97, 8000, None))]
)
def test_what_the_engine_has_not_is_not_tried(remote: Remote) -> None:
    assert media_of(remote, PLACE, Usage()) is None


def test_keys_are_used_only_where_audio_may_be_encrypted() -> None:
    remote = replace(PEER, srtp_suite="AES_CM_128_HMAC_SHA1_80", srtp_key=KEY)
    srtp = media(remote, secret=True).srtp
    assert srtp is not None
    assert (srtp.send, srtp.receive) == (bytes(30), bytes(range(30)))
    assert media_of(remote, PLACE, Usage()) is None
    assert media_of(replace(remote, srtp_key="short"), PLACE, Usage(secret=True)) is None


@pytest.mark.parametrize(
    ("change", "secret", "required", "why"),
    [
        (("", ""), False, False, ""),
        (("RTP/AVP", "RTP/SAVP"), True, True, ""),
        (("RTP/AVP", "RTP/SAVP"), False, False, "TLS"),
        (("", ""), True, True, "required"),
        (("IP4 192.0.2.1", "IP6 2001:db8::1"), False, False, "IPv6"),
        (("m=audio 4000", "m=audio 0"), False, False, "no audio"),
        (("v=0", "v=x"), False, False, "read"),
    ],
)
def test_offers_are_refused_by_name(change: tuple[str, str], secret: bool, required: bool, why: str) -> None:
    found = objection(OFFER.replace(*change), secret=secret, required=required)
    assert why in found if why else found == ""
