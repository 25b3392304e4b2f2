"""A peer that binds to an SMSC over a real socket and does exactly what a test tells it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from struct import unpack_from

from sms.smpp.codec import decode, encode
from sms.smpp.pdu import (
    BindRequest,
    BindResponse,
    BindTransceiver,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    Frame,
    Pdu,
    SubmitSm,
    SubmitSmResp,
)

PATIENCE = 5.0
"""Seconds after which something that should have come counts as missing."""


class Esme:
    """Answers every deliver_sm with `answer` (None: not at all) and keeps everything in order of arrival."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.answer: int | None = 0
        self.alive = True
        """Whether enquire_link is answered, and kept out of what arrives."""
        self._reader = reader
        self._writer = writer
        self._sequence = 0
        self._arrived: asyncio.Queue[Frame] = asyncio.Queue()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(4)
                frame = decode(head + await self._reader.readexactly(unpack_from(">I", head)[0] - 4))
                if isinstance(frame.pdu, EnquireLink) and self.alive:
                    self.send(EnquireLinkResp(), frame.sequence)
                    continue
                if isinstance(frame.pdu, DeliverSm) and self.answer is not None:
                    self.send(DeliverSmResp(), frame.sequence, self.answer)
                self._arrived.put_nowait(frame)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    def send(self, pdu: Pdu, sequence: int | None = None, status: int = 0) -> int:
        """Send anything; return its sequence number."""
        if sequence is None:
            self._sequence += 1
            sequence = self._sequence
        self._writer.write(encode(pdu, sequence, status))
        return sequence

    async def next(self) -> Frame:
        """Return the next PDU that arrives."""
        async with asyncio.timeout(PATIENCE):
            return await self._arrived.get()

    async def take(self, number: int) -> list[Frame]:
        """Return the next `number` PDUs."""
        return [await self.next() for _ in range(number)]

    async def settled(self) -> list[Frame]:
        """Return everything that arrived until the SMSC answered a question that was asked just now."""
        sequence = self.send(EnquireLink())
        frames: list[Frame] = []
        while True:
            frame = await self.next()
            if isinstance(frame.pdu, EnquireLinkResp) and frame.sequence == sequence:
                return frames
            frames.append(frame)

    async def delivery(self) -> DeliverSm:
        """Return the next deliver_sm; anything else before it is a failure."""
        pdu = (await self.next()).pdu
        assert isinstance(pdu, DeliverSm), pdu
        return pdu

    async def submit(self, pdu: SubmitSm) -> tuple[int, str]:
        """Send a submit_sm; return status and message id of its response, which must come next."""
        sequence = self.send(pdu)
        frame = await self.next()
        assert isinstance(frame.pdu, SubmitSmResp), frame
        assert frame.sequence == sequence
        return frame.status, frame.pdu.message_id

    async def gone(self) -> None:
        """Wait until the SMSC has closed the connection."""
        async with asyncio.timeout(PATIENCE):
            await self._task

    async def close(self) -> None:
        """Close without unbinding."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            pass


@asynccontextmanager
async def bound(
    port: int,
    system_id: str = "tandem",
    password: str = "secret",
    kind: type[BindRequest] = BindTransceiver,
    *,
    status: int = 0,
) -> AsyncIterator[Esme]:
    """Bind; the SMSC must answer with `status`."""
    esme = Esme(*await asyncio.open_connection("127.0.0.1", port))
    try:
        esme.send(kind(system_id=system_id, password=password))
        frame = await esme.next()
        assert isinstance(frame.pdu, BindResponse)
        assert frame.status == status
        yield esme
    finally:
        await esme.close()
