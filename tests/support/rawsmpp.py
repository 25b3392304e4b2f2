"""A peer that does exactly what a test says: frames by hand over asyncio streams, for either end."""

import asyncio
from typing import Self

from sms.smpp.codec import decode, encode
from sms.smpp.layout import RESPONSES
from sms.smpp.pdu import Frame, Pdu


class RawPeer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, pdu: Pdu, sequence: int, status: int = 0) -> None:
        self.writer.write(encode(pdu, sequence, status))

    async def read(self) -> Frame:
        """Return the next frame; raises IncompleteReadError at the end of the stream."""
        async with asyncio.timeout(5):
            length = await self.reader.readexactly(4)
            return decode(length + await self.reader.readexactly(int.from_bytes(length, "big") - 4))

    async def read_to_end(self) -> bytes:
        """Return whatever comes until the connection is closed, or reset."""
        data = b""
        async with asyncio.timeout(5):
            try:
                while more := await self.reader.read(65536):
                    data += more
            except ConnectionError:
                pass
        return data

    async def accept_bind(self) -> Frame:
        """Answer a bind with success and return it."""
        bind = await self.read()
        self.send(RESPONSES[bind.pdu.command_id]("raw"), bind.sequence)
        return bind

    def close(self) -> None:
        self.writer.close()


class RawSmsc:
    """Listens, and hands out each connection."""

    def __init__(self) -> None:
        self.port = 0
        self._came: asyncio.Queue[RawPeer] = asyncio.Queue()
        self._all: list[RawPeer] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for peer in self._all:
            peer.writer.transport.abort()
        await self._server.wait_closed()

    async def accept(self) -> RawPeer:
        async with asyncio.timeout(5):
            return await self._came.get()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = RawPeer(reader, writer)
        self._all.append(peer)
        self._came.put_nowait(peer)
