"""The journal: what the carrier saw and did, line by line; the witness that the gateway's promises are
counted against.

A line is a JSON array, see `Entry`. Lines are collected and written once a turn of the event loop: they
survive any death of the gateway, which is another process; the carrier itself is not killed.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from sms.smpp.constants import EsmClass
from sms.smpp.pdu import SubmitSm
from sms.text import Concat, udh

Kind = Literal["bound", "unbound", "submit", "refused", "receipt", "mo", "answered", "given-up", "dropped"]
"""What happened.

- bound: somebody asked to bind; `note` is the bind's type, `status` the answer; unbound: a bind ended;
- submit: a submit_sm was accepted; `status` 0, or UNANSWERED when no response was sent;
- refused: a submit_sm was answered with the error `status`;
- receipt, mo: a deliver_sm was sent; `note` is the receipt's stat;
- answered: a deliver_sm was answered with `status`; UNANSWERED: in vain waited for;
- given-up, dropped: a deliver_sm had all its tries, or found no place in the queue.
"""

UNANSWERED: Final = -1

_UDHI: Final = int(EsmClass.UDHI)
_CONCATENATION: Final = bytes((5, udh.CONCAT_8, 3))
"""How a header begins that says nothing else."""

HEAD: Final = 32
"""Octets of a body that a line shows."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line."""

    at: int
    """Microseconds since the epoch, UTC."""
    kind: Kind
    system_id: str
    message_id: str = ""
    """The carrier's id: of the submit_sm, or of the one that a receipt is about."""
    source: str = ""
    destination: str = ""
    status: int = 0
    """A command_status, or UNANSWERED."""
    note: str = ""
    digest: str = ""
    """SHA-1 of the body without its header, in hex; compare `digest_of`."""
    head: str = ""
    """The body's first octets, in hex."""
    data_coding: int = 0
    reference: int | None = None
    """Of a concatenated text, with `total` and `number`."""
    total: int = 1
    number: int = 1
    asked: dict[str, str | int] | None = None
    """What a submit_sm says beyond a text: see `asked_of`."""


def digest_of(body: bytes) -> str:
    """Return the digest of a body that stands in a journal."""
    return hashlib.sha1(body, usedforsecurity=False).hexdigest()


def describe(
    payload: bytes, data_coding: int, udhi: bool, sar: Concat | None = None
) -> tuple[str, str, int, int | None, int, int]:
    """Return the six fields of an Entry about a payload; `sar` is what sar_* parameters say."""
    if not udhi and sar is None:
        return digest_of(payload), payload[:HEAD].hex(), data_coding, None, 1, 1
    header, body = udh.split(payload) if udhi else (udh.NO_HEADER, payload)
    concat = sar or header.concat
    if concat is None:
        return digest_of(body), body[:HEAD].hex(), data_coding, None, 1, 1
    reference, total, number = concat.reference, concat.total, concat.number
    return digest_of(body), body[:HEAD].hex(), data_coding, reference, total, number


def asked_of(pdu: SubmitSm) -> dict[str, str | int] | None:
    """Return a submit_sm's fields that most leave empty, and its header without concatenation in hex; None
    when there are none."""
    header = b""
    if pdu.esm_class & _UDHI and pdu.short_message[:3] != _CONCATENATION:
        header = udh.apart(udh.split(pdu.short_message)[0])
    if not (
        header or pdu.validity_period or pdu.schedule_delivery_time or pdu.priority_flag or pdu.protocol_id
    ):
        return None
    fields: dict[str, str | int] = {
        "validity_period": pdu.validity_period,
        "schedule_delivery_time": pdu.schedule_delivery_time,
        "priority_flag": pdu.priority_flag,
        "protocol_id": pdu.protocol_id,
        "header": header.hex(),
    }
    return {name: value for name, value in fields.items() if value}


class Journal:
    """Appends to a file. `add` only collects; whoever owns the event loop calls `flush`."""

    def __init__(self, path: Path) -> None:
        """Open `path` for appending; raises OSError when that cannot be."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._encoder = msgspec.json.Encoder()
        self._entries: list[Entry] = []

    @property
    def waiting(self) -> bool:
        """Whether there is something to flush."""
        return bool(self._entries)

    def add(self, entry: Entry) -> None:
        """Take a line."""
        self._entries.append(entry)

    def flush(self) -> None:
        """Write what was taken. A full disk raises OSError: a witness must not lose a line in silence."""
        if not self._entries:
            return
        lines = memoryview(self._encoder.encode_lines(self._entries))
        self._entries.clear()
        while lines:
            lines = lines[os.write(self._file, lines) :]

    def close(self) -> None:
        """Write what was taken, and close the file."""
        self.flush()
        os.close(self._file)


def read(path: Path) -> Iterator[Entry]:
    """Yield the lines of a journal in order; an unfinished last line is left out."""
    decoder = msgspec.json.Decoder(Entry)
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield decoder.decode(line)
