"""One gateway at a data folder, and who sat there before it."""

import asyncio
import os
import platform
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tandem.seat import FILE, patiently, take_seat
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.ids import NodeId
from telephony.kernel.store.leases import Occupied

pytestmark = pytest.mark.wire

NODE = NodeId(bytes(range(16)))


def test_the_successor_learns_who_sat_there_before(tmp_path: Path) -> None:
    first = take_seat(tmp_path)
    assert first.predecessor is None
    first.sit(NODE)
    first.release()
    first.release()
    second = take_seat(tmp_path)
    assert second.predecessor == NODE
    second.release()  # it never got as far as to be a node
    third = take_seat(tmp_path)
    assert third.predecessor == NODE
    third.release()


def test_a_folder_that_came_from_another_machine_has_no_predecessor(tmp_path: Path) -> None:
    seat = take_seat(tmp_path)
    seat.sit(NODE)
    seat.release()
    file = tmp_path / FILE
    file.write_text(file.read_text().replace(platform.node(), "elsewhere"))
    assert take_seat(tmp_path).predecessor is None


@pytest.mark.parametrize("left", ["", "\n\n\n", "one\ntwo", "\x00" * 900, f"1\nzz\n{platform.node()}\n"])
def test_whatever_stands_in_the_file_a_seat_is_taken(tmp_path: Path, left: str) -> None:
    (tmp_path / FILE).write_text(left)
    assert take_seat(tmp_path).predecessor is None


async def test_whoever_waits_says_for_whom_and_gets_the_seat_when_it_is_free(tmp_path: Path) -> None:
    first = take_seat(tmp_path)
    with capture_logs() as logs:
        waiting = asyncio.create_task(patiently(lambda: take_seat(tmp_path)))
        while not logs:
            await asyncio.sleep(0)
        first.release()
        (await asyncio.wait_for(waiting, 5)).release()
    (line,) = logs
    assert (line["event"], line["process"]) == ("gateway.waits", os.getpid())


async def test_patience_ends_with_the_reason(tmp_path: Path) -> None:
    first = take_seat(tmp_path)
    with pytest.raises(Occupied, match=f"Another gateway works on .* \\(process {os.getpid()}\\)"):
        await patiently(lambda: take_seat(tmp_path), seconds=0.1)
    first.release()


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must be writable"):
        take_seat(tmp_path / "missing")
