"""TLS between a link and a server: who is let in, and what is told when not."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop

from carriers.model.smpp import SmppLink, SmppTls
from sms.smpp.link import Link
from sms.smpp.server import ServerSettings, SmppServer
from sms.smpp.tls import ServerTls, client_context, server_context, words
from telephony.kernel.clock import SystemClock
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret
from tests.support.certificates import Authority
from tests.support.smpp import DELIVER, SUBMIT, Witness

pytestmark = pytest.mark.wire

CLOCK = SystemClock()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def server_tls(authority: Authority, name: str = "127.0.0.1", **changes: Any) -> ServerTls:
    pem = authority.issue(name, until=changes.pop("until", timedelta(days=1)))
    return ServerTls(certificate=pem.certificate, key=pem.key, **changes)


class House:
    """A server with TLS, and links to it."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.theirs, self.ours = Witness(), Witness()
        self._stack = stack

    async def open(self, server: ServerTls | None, tls: SmppTls | None, **changes: Any) -> Link:
        smsc = SmppServer(self.theirs, ServerSettings(), clock=CLOCK)
        port = await smsc.start("127.0.0.1", 0, server)
        self._stack.push_async_callback(smsc.stop)
        settings = {"reconnect_seconds": (0.01, 0.05), "connect_seconds": 2.0, **changes}
        link = Link(
            "one",
            "carrier",
            SmppLink(host="127.0.0.1", port=port, system_id="me", password=Secret("pw"), tls=tls, **settings),
            self.ours,
            clock=CLOCK,
        )
        task = asyncio.create_task(link.run())

        async def stop() -> None:
            await link.stop(0)
            await task

        self._stack.push_async_callback(stop)
        return link

    async def refused(self, link: Link) -> str:
        async with asyncio.timeout(10):
            while not link.status().last_error:
                await asyncio.sleep(0.001)
        assert not link.bound
        assert self.theirs.named("bind") == []
        return link.status().last_error


@asynccontextmanager
async def opened() -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield House(stack)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened() as place:
        yield place


async def exchange(place: House, link: Link) -> None:
    await place.ours.until(lambda: link.bound)
    link.submit(SUBMIT, "out")
    await place.ours.until(lambda: place.ours.named("submit_answered"))
    place.theirs.conns[0].deliver(DELIVER, "in")
    await place.ours.until(lambda: place.ours.named("delivered"))
    link.answer_deliver(place.ours.named("delivered")[0][1], 0)
    await place.theirs.until(lambda: place.theirs.named("deliver_answered"))


async def test_a_link_binds_and_exchanges_messages_over_tls(house: House, authority: Authority) -> None:
    link = await house.open(server_tls(authority), SmppTls(ca=authority.ca))
    await exchange(house, link)
    assert link.status().tls
    transport = house.theirs.conns[0]._transport
    assert transport is not None
    assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"


def test_it_does_so_on_uvloop_too(authority: Authority) -> None:
    async def scene() -> None:
        async with opened() as place:
            link = await place.open(server_tls(authority), SmppTls(ca=authority.ca))
            await exchange(place, link)

    uvloop.run(scene())


async def test_a_certificate_is_verified_by_the_name_that_is_configured(
    house: House, authority: Authority
) -> None:
    tls = SmppTls(ca=authority.ca, server_name="smsc.example")
    link = await house.open(server_tls(authority, "smsc.example"), tls)
    await house.ours.until(lambda: link.bound)


@pytest.mark.parametrize("until", [timedelta(days=1), timedelta(days=-1)])
async def test_a_wrong_name_or_an_expired_certificate_is_refused_in_words(
    house: House, authority: Authority, until: timedelta
) -> None:
    name = "127.0.0.1" if until < timedelta() else "other.example"
    link = await house.open(server_tls(authority, name, until=until), SmppTls(ca=authority.ca))
    error = await house.refused(link)
    assert error.startswith(f"cannot connect to 127.0.0.1:{link.settings.port}: certificate refused: ")
    assert ("has expired" if until < timedelta() else "IP address mismatch") in error


async def test_an_untrusted_authority_is_refused_in_words(
    house: House, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "Somebody else")
    for ca in (other.ca, None):
        link = await house.open(server_tls(authority), SmppTls(ca=ca))
        assert "certificate refused: " in await house.refused(link)


async def test_a_client_certificate_is_shown_where_it_is_asked_for(
    house: House, authority: Authority
) -> None:
    mine = authority.issue("client")
    tls = SmppTls(ca=authority.ca, certificate=mine.certificate, key=mine.key)
    link = await house.open(server_tls(authority, client_ca=authority.ca), tls)
    await house.ours.until(lambda: link.bound)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_the_name_in_a_clients_certificate_is_known(authority: Authority, run: Any) -> None:
    async def scene() -> None:
        mine = authority.issue("crm.example")
        tls = SmppTls(ca=authority.ca, certificate=mine.certificate, key=mine.key)
        async with opened() as place:
            link = await place.open(server_tls(authority, client_ca=authority.ca), tls)
            await place.ours.until(lambda: link.bound)
            names = place.theirs.conns[0].certificate()["subjectAltName"]
            assert names == (("DNS", "crm.example"),)

    run(scene())


async def test_without_the_client_certificate_that_is_asked_for_nobody_binds(
    house: House, authority: Authority, tmp_path: Path
) -> None:
    link = await house.open(server_tls(authority, client_ca=authority.ca), SmppTls(ca=authority.ca))
    assert "the SMSC may want (another) client certificate" in await house.refused(link)
    stranger = Authority(tmp_path, "Somebody else").issue("client")
    tls = SmppTls(ca=authority.ca, certificate=stranger.certificate, key=stranger.key)
    link = await house.open(server_tls(authority, client_ca=authority.ca), tls)
    assert "the SMSC may want (another) client certificate" in await house.refused(link)


async def test_a_server_without_tls_is_not_spoken_to_in_the_clear(house: House, authority: Authority) -> None:
    link = await house.open(None, SmppTls(ca=authority.ca))
    assert await house.refused(link)
    assert house.theirs.named("submit") == []


async def test_a_client_without_tls_gets_nowhere(house: House, authority: Authority) -> None:
    link = await house.open(server_tls(authority), None)
    assert "connection" in await house.refused(link)


async def test_tls_older_than_1_2_is_refused(authority: Authority) -> None:
    for context in (server_context(server_tls(authority)), client_context(SmppTls(ca=authority.ca))):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_link_whose_files_are_missing_says_so_and_takes_them_when_they_come(
    house: House, authority: Authority, tmp_path: Path
) -> None:
    link = await house.open(server_tls(authority), SmppTls(ca=tmp_path / "ca.pem"))
    assert f"tls.ca: {tmp_path}/ca.pem cannot be used" in await house.refused(link)
    (tmp_path / "ca.pem").write_bytes(authority.ca.read_bytes())
    await house.ours.until(lambda: link.bound)


def test_files_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    pem, other = authority.issue("one"), authority.issue("two")
    with pytest.raises(ConfigurationError, match=r"tls\.ca: .*empty\.pem cannot be used"):
        client_context(SmppTls(ca=tmp_path / "empty.pem"))
    with pytest.raises(ConfigurationError, match=r"tls\.certificate, tls\.key: .*cannot be used"):
        server_context(ServerTls(certificate=pem.certificate, key=other.key))
    with pytest.raises(ConfigurationError, match=r"tls\.client_ca: .*cannot be used"):
        server_context(ServerTls(certificate=pem.certificate, key=pem.key, client_ca=tmp_path / "empty.pem"))


def test_errors_are_told_without_the_librarys_line_numbers() -> None:
    assert words(TimeoutError()) == "no answer in time"
    assert words(ConnectionRefusedError(111, "Connection refused")) == "[Errno 111] Connection refused"
    assert words(OSError()) == "OSError"
