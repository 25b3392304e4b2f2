"""Kannel under the same load: file store, HTTP in, submit_sm to the simulated carrier, a callback each.

Its configuration is bench/kannel/kannel.conf; it runs on free ports in a folder of its own.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench import load
from bench.processes import carrier
from bench.run import Under
from bench.sink import sink
from tests.support.kannel import kannel

TEMPLATE: Final = Path(__file__).parent / "kannel" / "kannel.conf"
ACCEPTED: Final = b"202"
DELIVERED_OR_FAILED: Final = 1 | 2
"""dlr-mask: one callback, at the message's end."""


@contextmanager
def under_load(text: str, number: str) -> Iterator[tuple[Under, load.Fixed]]:
    """Run Kannel, and return it with the request that is repeated: a GET, as sendsms is called."""
    with (
        tempfile.TemporaryDirectory() as folder,
        carrier() as beside,
        sink() as callbacks,
        kannel(
            TEMPLATE,
            Path(folder),
            smsc_port=beside.port,
            system_id=beside.system_id,
            password=beside.password,
        ) as running,
    ):
        target = running.sendsms_target(
            source=number,
            destination="+12065560000",
            text=text,
            dlr_url=f"http://127.0.0.1:{callbacks.port}/receipt?state=%d&id=%F",
            dlr_mask=DELIVERED_OR_FAILED,
        )
        raw = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{running.http_port}\r\n\r\n".encode()
        yield (
            Under(running.http_port, running.pids, beside.pid, beside.counts, callbacks),
            load.Fixed(raw, ACCEPTED),
        )
