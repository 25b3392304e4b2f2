"""The journal: what was written is read, whatever comes between."""

from pathlib import Path

import pytest

from carriers.simulated.journal import Entry, Journal, asked_of, describe, digest_of, read
from sms.smpp.pdu import SubmitSm
from sms.text import segment

pytestmark = pytest.mark.wire

ENTRIES = [
    Entry(1, "bound", "tandem", note="transceiver"),
    Entry(2, "submit", "tandem", "1f", 'Ünï\n"', "12065550100", digest=digest_of(b"hi"), head="6869"),
    Entry(3, "refused", "tandem", status=0x58, reference=7, total=3, number=2),
    Entry(4, "submit", "tandem", "20", asked={"validity_period": "000000001000000R", "priority_flag": 3}),
]


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    assert not journal.waiting
    journal.add(ENTRIES[0])
    assert journal.waiting
    assert list(read(path)) == []
    journal.flush()
    assert list(read(path)) == ENTRIES[:1]
    for entry in ENTRIES[1:]:
        journal.add(entry)
    journal.close()
    assert list(read(path)) == ENTRIES


def test_a_second_start_appends(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    for entry in ENTRIES:
        journal = Journal(path)
        journal.add(entry)
        journal.close()
    assert list(read(path)) == ENTRIES


def test_an_unfinished_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    for entry in ENTRIES:
        journal.add(entry)
    journal.close()
    path.write_bytes(path.read_bytes()[:-5])
    assert list(read(path)) == ENTRIES[:-1]


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_body_is_described_without_its_header() -> None:
    assert describe(b"hi", 0, False) == (digest_of(b"hi"), "6869", 0, None, 1, 1)
    _, second = segment("a" * 161, 200)
    assert describe(second.payload, 0, True) == (digest_of(b"a" * 8), "61" * 8, 0, 200, 2, 2)
    assert describe(b"\x02\x70\x00hi", 4, True) == (digest_of(b"hi"), "6869", 4, None, 1, 1)


def test_what_a_message_says_beyond_a_text_is_written_down() -> None:
    assert asked_of(SubmitSm(short_message=b"hi")) is None
    long = segment("a" * 161, 200)[0]
    assert asked_of(SubmitSm(esm_class=0x40, short_message=long.payload)) is None
    header = bytes.fromhex("0605040b8423f0")
    push = SubmitSm(
        esm_class=0x40,
        protocol_id=127,
        priority_flag=3,
        schedule_delivery_time="000000010000000R",
        validity_period="000000020000000R",
        short_message=header + b"hi",
    )
    assert asked_of(push) == {
        "validity_period": "000000020000000R",
        "schedule_delivery_time": "000000010000000R",
        "priority_flag": 3,
        "protocol_id": 127,
        "header": header.hex(),
    }
