"""A request that aiohttp reads, as the application sees it."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.bodies import RequestTimeout, body_too_large


class AiohttpRequest:
    """An `Incoming`."""

    __slots__ = ("_http", "headers", "method", "target")

    def __init__(self, http: web.BaseRequest) -> None:
        self._http = http
        self.method: str = http.method
        self.target: str = http.raw_path
        self.headers: Mapping[str, str] = http.headers

    @property
    def body(self) -> bytes | None:
        """See Incoming."""
        return None if self._http.body_exists else b""

    @property
    def unread(self) -> bool:
        """See Incoming."""
        return not self._http.content.is_eof()

    @property
    def address(self) -> str:
        """See Incoming."""
        return self._http.remote or ""

    async def read(self, ceiling: int, seconds: float) -> bytes:
        """See Incoming."""
        http = self._http
        if (http.content_length or 0) > ceiling:
            raise body_too_large(ceiling)
        if http.headers.get("Expect", "").lower() == "100-continue":
            await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            http.writer.output_size = 0  # aiohttp takes any output for the beginning of the answer
        if http.content.is_eof():  # nearly always: it came with the headers
            body: bytes = http.content.read_nowait(-1)
            if len(body) > ceiling:
                raise body_too_large(ceiling)
            return body
        pieces: list[bytes] = []
        length = 0
        try:
            async with asyncio.timeout(seconds):
                while piece := await http.content.readany():
                    length += len(piece)
                    if length > ceiling:
                        raise body_too_large(ceiling)
                    pieces.append(piece)
        except TimeoutError as error:
            raise RequestTimeout("The body did not come in time.") from error
        except web.RequestPayloadError as error:
            raise InvalidRequest("The body is not framed as the headers say.") from error
        return b"".join(pieces)
