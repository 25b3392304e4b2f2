"""Pairs of ports, by a clock of the test's."""

import pytest

from sip.media.engine.ports import REST_SECONDS, NoPorts, Ports

pytestmark = pytest.mark.unit


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.promise("R13")
def test_a_closed_port_rests_for_thirty_seconds() -> None:
    clock = _Clock()
    ports = Ports(20001, 20005, clock)
    assert ports.free == 2
    first, second = ports.take(), ports.take()
    assert (first, second) == (20002, 20004)
    with pytest.raises(NoPorts):
        ports.take()
    ports.release(first)
    clock.now = REST_SECONDS - 0.01
    with pytest.raises(NoPorts):
        ports.take()
    clock.now = REST_SECONDS
    assert ports.take() == first


def test_ports_are_handed_out_in_turn() -> None:
    clock = _Clock()
    ports = Ports(20000, 20007, clock)
    first = ports.take()
    ports.release(first)
    clock.now = 100.0
    assert [ports.take() for _ in range(4)] == [20002, 20004, 20006, first]


@pytest.mark.parametrize(("low", "high"), [(0, 10), (10, 10), (20001, 20002), (60000, 70000)])
def test_a_range_without_a_pair_is_refused(low: int, high: int) -> None:
    with pytest.raises(ValueError, match="expected a range"):
        Ports(low, high, _Clock())
