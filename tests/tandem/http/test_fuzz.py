"""Whatever bytes come over a real socket, the answer is never a 500, and the next request is served."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from tandem.http import Settings
from telephony.kernel.http.signature import sign
from tests.support.http import House, ask_raw, house, read_answer, request_bytes
from tests.support.promises import Report
from tests.support.scale import scale
from tests.support.toys import Toys

pytestmark = [pytest.mark.wire, pytest.mark.promise("Bad input")]
QUICK = Settings(body_seconds=0.05, tls=False)
V = "?api-version=2021-03-07"
SMS = b'{"from":"+1","smsRecipients":[{"to":"+2"}],"message":"hello"}'


def mutated(raw: bytes, dice: random.Random) -> bytes:
    """Return `raw` with a few bytes changed, removed, put in or moved."""
    data = bytearray(raw)
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(4):
            case 0 if at < len(data):
                data[at] = dice.choice((dice.randrange(256), dice.randrange(0x21, 0x7F)))
            case 1:
                del data[at : at + dice.randint(1, 20)]
            case 2:
                data[at:at] = dice.randbytes(dice.randint(1, 8))
            case _:
                data[at:at] = data[dice.randrange(len(data) + 1) :][:30]
        if not data:
            data = bytearray(b"\r\n")
    return bytes(data)


async def status_of(port: int, raw: bytes) -> int:
    """Send bytes and then a good request, and return the status of the first answer.

    What follows completes a head that a mutation left open, or becomes part of a body; a body that still
    lacks something is given up by the server soon.
    """
    follows = request_bytes("GET", "/health", b"", {"Host": "x", "Connection": "close"})
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw + b"\r\n\r\n" + follows)
        return (await asyncio.wait_for(read_answer(reader), 5)).status
    finally:
        writer.close()


def seeds(home: House) -> list[bytes]:
    """Return good requests of every kind."""
    asked = [
        ("POST", "/sms" + V, SMS, "application/json"),
        ("PATCH", "/things/a%2Bb" + V, b'{"name":"x"}', "application/merge-patch+json"),
        ("GET", "/calls/aGk==/participants/4:+1" + V, b"", "application/json"),
        ("GET", "/raise/conflict" + V, b"", "application/json"),
    ]
    result = []
    for method, target, body, kind in asked:
        signed = sign(
            method, target, host=home.authority, body=body, key=home.one.keys.primary, now=home.clock.now()
        )
        headers = {"Host": home.authority, "Content-Type": kind, "x-ms-client-request-id": "1", **signed}
        result.append(request_bytes(method, target, body, headers))
    bearer = {"Host": home.authority, "Authorization": f"Bearer {home.admin.reveal()}"}
    result.append(
        request_bytes("POST", "/admin/things", b"{}", {**bearer, "Content-Type": "application/json"})
    )
    preflight = {"Host": "x", "Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    result.append(request_bytes("OPTIONS", "/sms", b"", preflight))
    return result


async def test_mutated_requests_never_give_a_500(tmp_path: Path, promise: Report) -> None:
    dice = random.Random(20260101)
    seen: Counter[int] = Counter()
    async with house(Toys().routes(), tmp_path, settings=QUICK) as home:
        good = seeds(home)
        for raw in good:
            assert (await ask_raw(home.server.port, raw)).status < 500
        for _ in range(scale(400, 20_000)):
            raw = mutated(dice.choice(good), dice)
            status = await status_of(home.server.port, raw)
            assert status < 500, raw
            seen[status] += 1
        assert (await home.ask("GET", "/health")).status == 200
    assert {200, 202, 204, 400, 401, 404} <= set(seen), seen
    promise(requests=sum(seen.values()), internal_errors=0)


async def test_a_signed_request_with_any_body_path_or_query_never_gives_a_500(tmp_path: Path) -> None:
    dice = random.Random(20260102)
    seen: Counter[int] = Counter()
    alphabet = [
        *"abc/{}[]:;%?&=+\"',.~*()!@$ <>\\^`|",
        "%00",
        "%FF",
        "%2F",
        "%",
        "..",
        "api-version=2021-03-07",
        "\udcff",
    ]
    async with house(Toys().routes(), tmp_path, settings=QUICK) as home:
        for _ in range(scale(300, 20_000)):
            path = dice.choice(["/things/", "/sms", "/calls/a/participants/", "/", ""])
            path += "".join(dice.choices(alphabet, k=dice.randint(0, 12))).replace(" ", "%20")
            target = (
                path
                + dice.choice(["", V, V + "&x="])
                + "".join(dice.choices(alphabet, k=3)).replace(" ", "+")
            )
            body = dice.choice([SMS, dice.randbytes(30), mutated(SMS, dice), b"[" * 5000, b""])
            method = dice.choice(["GET", "POST", "PATCH", "HEAD", "PROPFIND"])
            if dice.random() < 0.5:
                method, target = "POST", "/sms" + V
            wire = target or "/"
            headers = {"Host": home.authority, "Content-Type": "application/json"}
            if wire.isascii():
                headers |= sign(
                    method,
                    wire,
                    host=home.authority,
                    body=body,
                    key=home.one.keys.primary,
                    now=home.clock.now(),
                )
            raw = request_bytes(method, wire, body, headers)
            status = await status_of(home.server.port, raw)
            assert status < 500, raw
            seen[status] += 1
        assert (await home.ask("GET", "/health")).status == 200
    assert {200, 202, 400, 404, 405} <= set(seen), seen


async def test_bytes_that_are_no_http_get_an_acs_error_and_the_connection_ends(tmp_path: Path) -> None:
    async with house(Toys().routes(), tmp_path) as home:
        for raw in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50) + b"\r\n\r\n",
            b"GET /sms HTTP/9.9\r\n\r\n",
            b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"".join(b"H%d: x\r\n" % number for number in range(200)) + b"\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", home.server.port)
            writer.write(raw)
            answer = await asyncio.wait_for(read_answer(reader), 5)
            assert (answer.status, answer.json["error"]["code"]) == (400, "BadRequest"), raw[:40]
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
