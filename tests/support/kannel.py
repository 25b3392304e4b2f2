"""Kannel (Debian's package) as a user runs it: bearerbox and smsbox, by hand, in a folder of its own."""

import asyncio
import os
import shutil
import signal
import string
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from tests.support.node import free_ports
from tests.support.receiver import Receiver

BEARERBOX: Final = "/usr/sbin/bearerbox"
SMSBOX: Final = "/usr/sbin/smsbox"
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
CALL_SECONDS: Final = 20.0
"""How long a callback may take; what was throttled comes again after seconds."""


class Kannel:
    """A running Kannel. Made by `kannel`."""

    def __init__(self, template: Path, folder: Path, **values: object) -> None:
        self.folder = folder
        self.admin_port, self.box_port, self.http_port = free_ports(3)
        self.configuration = folder / "kannel.conf"
        filled = string.Template(template.read_text()).substitute(
            folder=folder,
            admin_port=self.admin_port,
            box_port=self.box_port,
            http_port=self.http_port,
            **values,
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.configuration.write_text(filled)
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def pids(self) -> list[int]:
        """The processes: bearerbox, smsbox."""
        return [process.pid for process in self._processes]

    @property
    def output(self) -> str:
        """What both said."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def start(self) -> None:
        """Start both, and wait until the carrier is bound and sendsms answers."""
        self._start(BEARERBOX)
        self._wait(lambda: "Status:" in self.status(), "bearerbox's administration")
        self._start(SMSBOX)
        self._wait(lambda: "online" in self.status() and "smsbox:" in self.status(), "the bind")
        self._wait(self._sendsms_answers, "sendsms")

    def stop(self) -> None:
        """Stop both, the one with the links last; whoever does not go in time is killed."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def status(self) -> str:
        """Return bearerbox's status page, or nothing while it does not answer."""
        return self._get(f"http://127.0.0.1:{self.admin_port}/status.txt?password=bench")

    def sendsms_target(
        self, *, source: str, destination: str, text: str, dlr_url: str = "", dlr_mask: int = 3, **more: str
    ) -> str:
        """Return the request target of sendsms; `dlr_mask` 3 asks for one callback at the end, `more` are
        further parameters of Kannel's."""
        fields = {"username": "bench", "password": "bench", "from": source, "to": destination, "text": text}
        fields |= more
        if dlr_url:
            fields |= {"dlr-mask": str(dlr_mask), "dlr-url": dlr_url}
        return "/cgi-bin/sendsms?" + urlencode(fields, quote_via=quote)

    def send(self, **fields: str) -> str:
        """Send one message and return what sendsms said; `fields` are those of `sendsms_target`."""
        target = self.sendsms_target(**fields)  # type: ignore[arg-type]
        return self._get(f"http://127.0.0.1:{self.http_port}{target}")

    def _start(self, program: str) -> None:
        # -v 4: nothing but errors on the terminal; the files have their own level.
        with (self.folder / f"{Path(program).name}.out.log").open("wb") as output:
            self._processes.append(
                subprocess.Popen(
                    [program, "-v", "4", str(self.configuration)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self.folder,
                )
            )

    def _sendsms_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/cgi-bin/sendsms", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def _get(self, url: str) -> str:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError:
            return ""

    def _wait(self, met: object, what: str) -> None:
        assert callable(met)
        until = time.monotonic() + START_SECONDS
        while not met():
            assert all(process.poll() is None for process in self._processes), self.output
            assert time.monotonic() < until, f"{what} did not come:\n{self.output}\n{self.status()}"
            time.sleep(0.02)


async def calls_of(sink: Receiver, kind: str, count: int) -> list[dict[str, str]]:
    """Wait until Kannel has called `/KIND` so often, and return the fields of each call."""

    async def waiting() -> list[dict[str, str]]:
        while True:
            urls = [urlsplit(each.path) for each in sink.received]
            calls = [_fields(url.query) for url in urls if url.path == f"/{kind}"]
            if len(calls) >= count:
                return calls
            await asyncio.sleep(0.005)

    return await asyncio.wait_for(waiting(), CALL_SECONDS)


def _fields(query: str) -> dict[str, str]:
    """Return the fields of a call; the text's octets are in the charset that Kannel names beside them."""
    raw = dict(parse_qsl(query, encoding="latin-1"))
    charset = raw.get("charset", "utf-8")
    return {
        name: value.encode("latin-1").decode(charset if name == "text" else "utf-8")
        for name, value in raw.items()
    }


def missing() -> bool:
    """Tell whether the package is not installed."""
    return shutil.which(BEARERBOX) is None or not os.access(SMSBOX, os.X_OK)


@contextmanager
def kannel(template: Path, folder: Path, **values: object) -> Iterator[Kannel]:
    """Run Kannel with a configuration made of a template for the length of a `with` block."""
    running = Kannel(template, folder, **values)
    try:
        running.start()
        yield running
    finally:
        running.stop()
