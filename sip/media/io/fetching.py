"""Getting a sound's file: by a guarded URL, or out of the folder of prompts."""

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

import msgspec

from sip.media.io.protocol import Failure
from sip.media.io.settings import PromptSettings
from sip.media.io.transcoders import PromptUnusable
from telephony.kernel.errors import RemoteUnavailable
from telephony.kernel.http.outbound import GuardedClient, OutboundReply
from telephony.kernel.http.outbound_addresses import DestinationRefused, OutboundSettings

STORE: Final = "store:"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")

MAX_REDIRECTS: Final = 3
"""Storage answers with one to where the file is; every step is guarded like the first."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200
_UNCHANGED: Final = 304


@dataclass(frozen=True, slots=True)
class Body:
    """A file."""

    octets: bytes
    etag: str
    """What its server calls this version, or the store; empty: it does not say."""
    modified: str = ""
    """Last-Modified, as it was sent."""


class Fetcher:
    """Gets files. Use `close` at the end."""

    def __init__(self, settings: PromptSettings, outbound: OutboundSettings, store: Path) -> None:
        """`store` is the folder that `store:NAME` means."""
        self._settings = settings
        self._store = store
        limits = msgspec.structs.replace(
            outbound, reply_bytes=settings.octets, total_seconds=settings.fetch_seconds
        )
        self._client = GuardedClient(limits)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def fetch(self, source: str, known: Body | None) -> Body:
        """Return a source's file; `known` itself when it has not changed. Raises PromptUnusable."""
        if source.startswith(STORE):
            return await asyncio.to_thread(self._read, source.removeprefix(STORE), known)
        try:
            async with asyncio.timeout(self._settings.fetch_seconds):
                return await self._get(source, known)
        except DestinationRefused as error:
            raise PromptUnusable(error.message, Failure.REFUSED) from error
        except RemoteUnavailable as error:
            raise PromptUnusable(error.message, Failure.UNREACHABLE) from error
        except TimeoutError:
            raise PromptUnusable("The server did not answer in time.", Failure.UNREACHABLE) from None

    async def _get(self, url: str, known: Body | None) -> Body:
        headers: dict[str, str] = {}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        elif known is not None and known.modified:
            headers["If-Modified-Since"] = known.modified
        reply = await self._follow(url, headers)
        if reply.status == _UNCHANGED and known is not None:
            return known
        if reply.status != _OK:
            text = f"The server answered {reply.status}."
            raise PromptUnusable(text, Failure.STATUS, answered=reply.status)
        if reply.truncated:
            raise self._too_large()
        etag, modified = (_one_line(reply.headers.get(name, "")) for name in ("ETag", "Last-Modified"))
        return Body(reply.body, etag, modified)

    async def _follow(self, url: str, headers: dict[str, str]) -> OutboundReply:
        """Return the answer at the end of a few redirects."""
        for _ in range(MAX_REDIRECTS + 1):
            reply = await self._client.request("GET", url, headers, repeatable=True)
            if reply.status not in _REDIRECTS:
                return reply
            target = urljoin(url, reply.headers.get("Location", ""))
            if url.startswith("https:") and not target.startswith("https:"):
                raise PromptUnusable("The server leads from HTTPS to something else.", Failure.REFUSED)
            url = target
        raise PromptUnusable("The server leads from one address to the next.", Failure.REFUSED)

    def _read(self, name: str, known: Body | None) -> Body:
        """Read a file of the store. Links are not followed: they could lead anywhere."""
        if not _NAME.fullmatch(name):
            text = "The name of a stored prompt has letters, digits, dots, dashes and underscores."
            raise PromptUnusable(text, Failure.REFUSED)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            with os.fdopen(os.open(self._store / name, flags), "rb") as file:
                status = os.fstat(file.fileno())
                version = f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"
                if known is not None and known.etag == version:
                    return known
                octets = file.read(self._settings.octets + 1)
        except OSError as error:
            text = f"There is no stored prompt {name}: {error.strerror}."
            raise PromptUnusable(text, Failure.UNREACHABLE) from error
        if len(octets) > self._settings.octets:
            raise self._too_large()
        return Body(octets, version)

    def _too_large(self) -> PromptUnusable:
        return PromptUnusable(f"The file has more than {self._settings.octets} octets.", Failure.TOO_LARGE)


def _one_line(text: str) -> str:
    return text if text.isprintable() and len(text) <= 500 else ""
