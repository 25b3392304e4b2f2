"""The server over TLS: who has no certificate, or a wrong one, is nobody."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from carriers.model.smpp import SmppLink, SmppTls
from sms.smpp.constants import CommandStatus
from sms.smpp.link import Link
from sms.smpp.pdu import BindTransceiver
from sms.smpp.tls import ServerTls
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store
from tests.support.certificates import Authority, Pem
from tests.support.esme import Esme
from tests.support.esmes import PASSWORD, SYSTEM_ID, Desk, desk, submit
from tests.support.smpp import Witness

pytestmark = pytest.mark.wire


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def server_tls(authority: Authority, **more: Any) -> ServerTls:
    pem = authority.issue("127.0.0.1")
    return ServerTls(certificate=pem.certificate, key=pem.key, **more)


@asynccontextmanager
async def visit(at: Desk, authority: Authority, pem: Pem | None = None) -> AsyncIterator[tuple[int, Esme]]:
    """Bind over TLS, with a certificate or none; yield the answer's status."""
    context = ssl.create_default_context(cafile=authority.ca)
    if pem is not None:
        context.load_cert_chain(pem.certificate, pem.key)
    esme = Esme(*await asyncio.open_connection("127.0.0.1", at.port, ssl=context))
    try:
        esme.send(BindTransceiver(system_id=SYSTEM_ID, password=PASSWORD))
        yield (await esme.next()).status, esme
    finally:
        await esme.close()


async def test_a_link_of_ours_is_a_customer_over_tls(sqlite_store: Store, authority: Authority) -> None:
    async with desk(sqlite_store, server={"tls": server_tls(authority)}) as at:
        await at.account()
        witness = Witness()
        settings = SmppLink(
            host="127.0.0.1",
            port=at.port,
            system_id=SYSTEM_ID,
            password=Secret(PASSWORD),
            tls=SmppTls(ca=authority.ca),
        )
        link = Link("up", "tandem", settings, witness, clock=SystemClock())
        running = asyncio.create_task(link.run())
        await witness.until(lambda: link.bound)
        link.submit(submit(), "token")
        await witness.until(lambda: witness.named("submit_answered"))
        assert witness.named("submit_answered")[0][:2] == ("token", 0)
        await link.stop(0.1)
        await running


async def test_an_account_binds_with_the_certificate_that_it_needs(
    sqlite_store: Store, authority: Authority
) -> None:
    tls = server_tls(authority, client_ca=authority.ca, client_optional=True)
    async with desk(sqlite_store, server={"tls": tls}) as at:
        await at.account(certificate="crm.example")
        async with visit(at, authority, authority.issue("crm.example")) as (status, esme):
            assert status == 0
            assert (await esme.submit(submit(registered_delivery=0)))[0] == 0
        for pem in (None, authority.issue("other.example")):
            async with visit(at, authority, pem) as (status, _):
                assert status == CommandStatus.ESME_RINVPASWD


async def test_an_account_that_needs_none_binds_without(sqlite_store: Store, authority: Authority) -> None:
    tls = server_tls(authority, client_ca=authority.ca, client_optional=True)
    async with desk(sqlite_store, server={"tls": tls}) as at:
        await at.account()
        async with visit(at, authority) as (status, _):
            assert status == 0


@pytest.mark.parametrize("optional", [True, False])
async def test_a_certificate_of_a_stranger_ends_the_handshake(
    sqlite_store: Store, authority: Authority, tmp_path: Path, optional: bool
) -> None:
    stranger = Authority(tmp_path / "stranger", "Somebody else")
    tls = server_tls(authority, client_ca=authority.ca, client_optional=optional)
    async with desk(sqlite_store, server={"tls": tls}) as at:
        await at.account(certificate="crm.example")
        await turned_away(at, authority, stranger.issue("crm.example"))
        async with visit(at, authority, authority.issue("crm.example")) as (status, _):
            assert status == 0


async def test_where_everybody_needs_a_certificate_nobody_comes_without(
    sqlite_store: Store, authority: Authority
) -> None:
    tls = server_tls(authority, client_ca=authority.ca)
    async with desk(sqlite_store, server={"tls": tls}) as at:
        await at.account()
        await turned_away(at, authority, None)


async def turned_away(at: Desk, authority: Authority, pem: Pem | None) -> None:
    """Try to bind; the server must end the connection without an answer."""
    context = ssl.create_default_context(cafile=authority.ca)
    if pem is not None:
        context.load_cert_chain(pem.certificate, pem.key)
    reader, writer = await asyncio.open_connection("127.0.0.1", at.port, ssl=context)
    try:  # TLS 1.3: the client hears of it when it reads
        async with asyncio.timeout(5):
            assert await reader.read(100) == b""
    except (ssl.SSLError, ConnectionError):
        pass
    writer.close()
    assert at.esmes.reception.binds() == {}


async def test_without_tls_an_account_that_needs_a_certificate_stays_outside(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account(certificate="crm.example")
        esme = Esme(*await asyncio.open_connection("127.0.0.1", at.port))
        esme.send(BindTransceiver(system_id=SYSTEM_ID, password=PASSWORD))
        assert (await esme.next()).status == CommandStatus.ESME_RINVPASWD
        await esme.close()
