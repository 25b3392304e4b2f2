"""Causes of SIP and Q.850, each from the other."""

import pytest

from telephony.calling.causes import TEXTS, Cause, cause_of, q850_of, read_reason, sip_of, write_reason

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("status", "q850"),
    [
        (200, 16),
        (404, 1),
        (486, 17),
        (408, 102),
        (480, 18),
        (484, 28),
        (503, 41),
        (603, 21),
        (600, 17),
        (487, 16),
    ],
)
def test_a_status_has_the_cause_of_rfc_3398(status: int, q850: int) -> None:
    assert q850_of(status) == q850


@pytest.mark.parametrize(
    ("q850", "status"),
    [(1, 404), (17, 486), (18, 408), (19, 480), (21, 403), (28, 484), (34, 503), (41, 503)],
)
def test_a_cause_has_the_status_of_rfc_3398(q850: int, status: int) -> None:
    assert sip_of(q850) == status


def test_every_status_has_a_cause_and_every_cause_a_status() -> None:
    assert all(0 < q850_of(status) <= 127 for status in range(200, 700))
    assert all(400 <= sip_of(q850) < 700 for q850 in range(1, 128))


def test_what_the_peer_says_goes_before_what_is_derived() -> None:
    cause = cause_of(
        480, "Temporarily Unavailable", 'SIP;cause=480, Q.850 ;cause=20;text="away"', by_peer=True
    )
    assert cause == Cause(480, 20, "Temporarily Unavailable", by_peer=True, told=True)
    assert cause_of(486) == Cause(486, 17, "User busy")


@pytest.mark.parametrize(
    "value", ["", "SIP;cause=200", "Q.850", "Q.850;cause=", "Q.850;cause=999", "Q.850;cause=0"]
)
def test_what_is_no_cause_is_none(value: str) -> None:
    assert read_reason(value) is None


@pytest.mark.parametrize("q850", sorted(TEXTS))
def test_a_reason_that_is_written_reads_the_same(q850: int) -> None:
    assert read_reason(write_reason(q850)) == q850
