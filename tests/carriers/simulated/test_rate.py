"""The carrier must never be what limits a measurement: 30,000 submit_sm a second in one process."""

import asyncio
import struct
import time

import pytest

from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from sms.smpp.codec import encode
from sms.smpp.pdu import BindTransceiver, SubmitSm
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from tests.support.scale import scale

pytestmark = pytest.mark.soak

MESSAGES = scale(20_000, 300_000)
WINDOW = 100
PER_SECOND = 30_000


class Sink(asyncio.Protocol):
    """Keeps WINDOW messages on the way until all are answered; counts responses by their length alone."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._body = encode(
            SubmitSm(source_addr="14255550123", destination_addr="12065550100", short_message=b"a" * 40), 1
        )[16:]
        self._sent = 0
        self._answered = -1  # the bind's response is the first
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(encode(BindTransceiver(system_id="tandem", password="secret"), 1))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at = 0
        while len(data) - at >= 16:
            length, _, status, _ = struct.unpack_from(">IIII", data, at)
            if len(data) - at < length:
                break
            assert status == 0
            self._answered += 1
            at += length
        self._rest = data[at:]
        more = min(WINDOW - (self._sent - self._answered), MESSAGES - self._sent)
        header = struct.Struct(">IIII").pack
        self._transport.write(
            b"".join(
                header(16 + len(self._body), 4, 0, self._sent + each + 2) + self._body for each in range(more)
            )
        )
        self._sent += more
        if self._answered == MESSAGES:
            self.done.set_result(None)


async def test_thirty_thousand_messages_a_second_are_taken() -> None:
    accounts = {"tandem": SimulatedAccount(password=Secret("secret"))}
    smsc = Smsc(SimulatedSettings(port=0, accounts=accounts), clock=SystemClock())
    await smsc.start()
    try:
        began = time.process_time()  # not the wall's: other work on the machine must not decide this
        transport, sink = await asyncio.get_running_loop().create_connection(Sink, "127.0.0.1", smsc.port)
        await asyncio.wait_for(sink.done, 60)
        used = time.process_time() - began
        transport.close()
    finally:
        await smsc.stop()
    assert smsc.stats().total.submitted == MESSAGES
    assert MESSAGES / used > PER_SECOND, (
        f"{used / MESSAGES * 1e6:.1f} µs of CPU a message, the peer's included"
    )
