"""A gateway's threads stay on one core at a time."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.one_core import BETTER, CROWDED, busy_times, choose

pytestmark = pytest.mark.unit

STAT = """\
cpu  300 1 100 5000 20 3 4 5 0 0
cpu0 100 0 50 2500 10 1 2 3 7 0
cpu1 200 1 50 2500 10 2 2 2 0 0
intr 12345 0 9
ctxt 1
"""

IN_A_PROCESS = """\
import os, threading
from tandem.one_core import OneCore
core = OneCore()
core.begin()
seen = []
thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
thread.start()
thread.join()
core.step()
several = len(core._allowed) > 1
assert seen == [os.sched_getaffinity(0)] or not several, seen
assert os.sched_getaffinity(0) == ({core.core} if several else set(core._allowed))
print("as it should be")
"""


def test_what_is_neither_idle_nor_waiting_for_a_disk_is_busy() -> None:
    assert busy_times(STAT) == {0: 156, 1: 257}


def test_a_core_that_others_hardly_use_is_kept() -> None:
    assert choose(1, {0: 0.0, 1: CROWDED}) == 1


def test_a_crowded_core_is_left_for_a_freer_one() -> None:
    assert choose(1, {0: 0.1, 1: 0.9, 2: 0.05}) == 2


def test_nobody_moves_where_it_is_as_crowded() -> None:
    assert choose(0, {0: 0.9, 1: 0.9 - BETTER + 0.01}) == 0


def test_a_core_that_is_gone_is_left() -> None:
    assert choose(7, {0: 0.5, 1: 0.4}) == 1


@given(st.dictionaries(st.integers(0, 8), st.floats(0, 1), min_size=1), st.integers(0, 8))
def test_what_is_chosen_is_there_and_never_much_worse_than_the_best(
    others: dict[int, float], current: int
) -> None:
    chosen = choose(current, others)
    assert chosen in others
    assert others[chosen] <= max(CROWDED, min(others.values()) + BETTER + 1e-9)


def test_threads_follow_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "as it should be\n", done.stderr
