"""Kamailio's control: JSON-RPC in datagrams over a Unix socket (module jsonrpcs)."""

import asyncio
import contextlib
import itertools
import os
import socket
from pathlib import Path
from typing import Any, Final

import msgspec

from telephony.kernel.errors import RemoteUnavailable

SECONDS: Final = 2.0
"""How long an answer may take."""
MAX_ANSWER: Final = 1 << 18


class Rpc:
    """A client. Each question has a socket of its own, so that answers that come late reach nobody."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers = itertools.count(1)

    async def ask(self, method: str, *params: Any) -> Any:  # noqa: ANN401 - JSON
        """Return a method's result. Raises RemoteUnavailable when it is away, or says no."""
        number = next(self._numbers)
        mine = self._path.with_name(f"{self._path.name}-{os.getpid()}-{number}")
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            try:
                channel.bind(str(mine))
                mine.chmod(0o600)
                question = {"jsonrpc": "2.0", "method": method, "params": list(params), "id": number}
                channel.connect(str(self._path))
                async with asyncio.timeout(SECONDS):
                    await loop.sock_sendall(channel, msgspec.json.encode(question))
                    answer = msgspec.json.decode(await loop.sock_recv(channel, MAX_ANSWER))
            except (OSError, TimeoutError, msgspec.MsgspecError) as error:
                raise RemoteUnavailable(
                    f"The SIP edge does not answer: {str(error) or 'too slow'}."
                ) from error
            finally:
                with contextlib.suppress(OSError):
                    mine.unlink()
        if "error" in answer:
            raise RemoteUnavailable(f"The SIP edge refuses {method}: {answer['error'].get('message')}.")
        return answer.get("result")
