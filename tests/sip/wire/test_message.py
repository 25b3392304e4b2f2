"""SIP messages: what is read, what is refused and why."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.wire.errors import Malformed, TooLarge, UriTooLong, VersionNotSupported
from sip.wire.headers import Headers, split_list
from sip.wire.message import MAX_HEADERS, MAX_MESSAGE, Request, Response, parse

pytestmark = pytest.mark.wire

TORTURE = Path(__file__).parents[2] / "wire" / "sip" / "torture"
SAMPLES = {path.stem: path.read_bytes() for path in sorted(TORTURE.glob("*.sip"))}

REFUSED = {
    "3.1.2.1-separators-without-anything": "Via",
    "3.1.2.2-content-length-beyond-the-end": "Content-Length",
    "3.1.2.3-negative-content-length": "Content-Length",
    "3.1.2.4-numbers-too-large-in-a-request": "CSeq",
    "3.1.2.5-numbers-too-large-in-a-response": "CSeq",
    "3.1.2.6-a-quote-that-is-not-closed": "quotes",
    "3.1.2.7-brackets-around-the-request-uri": "Request-URI",
    "3.1.2.8-a-space-in-the-request-uri": "request line",
    "3.1.2.9-many-spaces-in-the-request-line": "request line",
    "3.1.2.10-a-space-behind-the-request-line": "request line",
    "3.1.2.14-spaces-within-the-brackets": "URI",
    "3.1.2.15-a-name-that-wants-quotes": "quotes",
    "3.1.2.16-another-version": "SIP/9.1",
    "3.1.2.17-method-and-cseq-differ": "CSeq",
    "3.1.2.18-an-unknown-method-and-another-in-cseq": "CSeq",
    "3.1.2.19-a-status-beyond-the-classes": "status line",
    "3.3.1-mandatory-fields-missing": "From",
    "3.3.8-fields-twice-that-may-be-there-once": "more than once",
    "3.3.9-two-content-lengths": "Content-Length",
}
"""What the grammar refuses; the other defects are for whoever acts on a message."""

INVITE = Request(
    method="INVITE",
    uri="sip:+493012345@example.org",
    headers=Headers(
        [
            ("v", "SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bKa;rport"),
            ("Max-Forwards", "70"),
            ("f", '"Desk, \\"7\\"" <sip:desk7@example.net>;tag=a7'),
            ("t", "<sip:+493012345@example.org>"),
            ("i", "one@example.net"),
            ("CSeq", "7 INVITE"),
            ("m", "<sip:desk7@192.0.2.7:5070>"),
        ]
    ),
    body=b"v=0\r\n",
)


def test_there_is_a_sample_for_every_paragraph_of_rfc_4475() -> None:
    paragraphs = {name.partition("-")[0] for name in SAMPLES}
    wanted = {f"3.1.1.{each}" for each in range(1, 14)} | {f"3.1.2.{each}" for each in range(1, 20)}
    wanted |= {"3.2.1", "3.4.1"} | {f"3.3.{each}" for each in range(1, 16)}
    assert paragraphs == wanted


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_read_or_refused_for_its_own_defect(name: str) -> None:
    if name in REFUSED:
        with pytest.raises(Malformed, match=REFUSED[name].replace("(", r"\(")):
            parse(SAMPLES[name])
    else:
        assert parse(SAMPLES[name]).call_id.startswith("torture-")


def test_a_contact_that_wants_brackets_is_refused_by_whoever_reads_it() -> None:
    message = parse(SAMPLES["3.1.2.13-a-contact-that-wants-brackets"])
    with pytest.raises(Malformed, match="brackets"):
        _ = message.contact


def test_folded_fields_and_short_names_say_what_they_say() -> None:
    message = parse(SAMPLES["3.1.1.1-folded-fields-and-odd-spacing"])
    assert isinstance(message, Request)
    assert message.cseq == (1, "INVITE")
    assert message.from_.name == 'Desk \\" One'
    assert message.from_.tag == "f1"
    assert message.to.tag == "9x1a"
    assert [(via.transport, via.branch) for via in message.vias] == [
        ("UDP", "z9hG4bK-t1"),
        ("TCP", "z9hG4bK-t0"),
        ("UDP", "z9hG4bK-t00"),
    ]
    assert message.headers.get("x-unknown-to-all") == "folded on three lines with a tab"


def test_what_is_behind_the_body_is_left_out() -> None:
    message = parse(SAMPLES["3.1.1.8-octets-behind-the-body"])
    assert isinstance(message, Request)
    assert (message.method, message.body) == ("REGISTER", b"")


def test_a_message_that_is_written_reads_the_same() -> None:
    again = parse(INVITE.octets())
    assert again.octets() == INVITE.octets()
    assert again.from_.name == 'Desk, "7"'


def test_a_response_takes_its_fields_from_the_request() -> None:
    request = parse(INVITE.octets())
    assert isinstance(request, Request)
    response = parse(request.answer(180, "Ringing", tag="b1").octets())
    assert isinstance(response, Response)
    assert response.status == 180
    assert response.to.tag == "b1"
    assert (response.call_id, response.cseq, response.from_) == (request.call_id, request.cseq, request.from_)
    assert request.answer(100, "Trying", tag="b1").to.tag == ""


def test_a_via_says_where_the_response_goes() -> None:
    via = INVITE.vias[0]
    assert via.reply_to() == ("192.0.2.7", 5070)
    seen = via.seen_from("203.0.113.9", 61000)
    assert seen.reply_to() == ("203.0.113.9", 61000)
    assert "received=203.0.113.9" in str(seen)


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (INVITE.octets().replace(b"example.org SIP", b"x" * 300 + b" SIP"), UriTooLong),
        (INVITE.octets().replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1), VersionNotSupported),
        (INVITE.octets() + b"x" * MAX_MESSAGE, TooLarge),
        (INVITE.octets().replace(b"\r\n", b"\r\nX: y" * MAX_HEADERS + b"\r\n", 1), TooLarge),
        (INVITE.octets().replace(b"CSeq", b"X" * 129 + b": 1\r\nCSeq"), TooLarge),
        (INVITE.octets().replace(b"Max-Forwards", b"Max\x00Forwards"), Malformed),
        (b"", Malformed),
        (b"\r\n\r\n", Malformed),
        (b"\xff" * 40, Malformed),
    ],
)
def test_what_is_beyond_the_ceilings_is_refused_with_its_status(
    octets: bytes, error: type[Malformed]
) -> None:
    with pytest.raises(error) as caught:
        parse(octets)
    assert type(caught.value) is error
    assert caught.value.status in {400, 414, 505, 513}


def test_commas_in_quotes_and_brackets_do_not_cut() -> None:
    assert split_list('"a, b" <sip:x@h;u=1,2>;q=1, <sip:y@h>') == ['"a, b" <sip:x@h;u=1,2>;q=1', "<sip:y@h>"]


def test_setting_a_field_puts_one_in_the_place_of_all() -> None:
    headers = Headers([("Via", "a"), ("X-A", "1"), ("v", "b")])
    headers.set("via", "c")
    assert list(headers) == [("via", "c"), ("X-A", "1")]
    headers.remove("x-a")
    headers.put_first("Route", "<sip:e;lr>")
    assert list(headers) == [("Route", "<sip:e;lr>"), ("via", "c")]


@given(st.binary(max_size=400))
def test_any_octets_are_a_message_or_malformed(octets: bytes) -> None:
    try:
        parse(octets)
    except Malformed:
        return


def test_ten_thousand_mutations_are_messages_or_malformed() -> None:
    dice = random.Random(4475)
    samples = [*SAMPLES.values(), INVITE.octets()]
    read = 0
    for _ in range(10_000):
        octets = bytearray(dice.choice(samples))
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(octets))
            kind = dice.randrange(4)
            if kind == 0:
                octets[place] = dice.randrange(256)
            elif kind == 1:
                del octets[place : place + dice.randint(1, 20)]
            elif kind == 2:
                octets[place:place] = dice.choice(
                    [b"\r\n", b",", b";", b'"', b"<", b"\x00", b"%", b": ", b"\xff"]
                )
            else:
                octets[place:place] = octets[: dice.randint(1, 60)]
            octets = octets or bytearray(b"x")
        try:
            message = parse(bytes(octets))
            # Whatever was read can be looked at: a value or Malformed again.
            _ = message.contact, message.from_.uri, message.to.uri, message.vias
            read += 1
        except Malformed:
            continue
    assert 0 < read < 10_000
