"""What a carrier is told of a message's times."""

import pytest

from carriers.model.smpp import SmppLink, TimeForm
from sms.message import Extras, Outbound
from sms.smpp.pdu import SubmitSm
from sms.timing import MAX_AHEAD, receipt_wait, timed, too_early
from telephony.kernel.clock import DAY, HOUR, MINUTE, SECOND
from telephony.kernel.ids import InteractionId, ResourceId, new_id
from tests.support.clock import START

pytestmark = pytest.mark.unit

PDU = SubmitSm()


def message(expires: int = START + HOUR, **extras: int) -> Outbound:
    identifier = InteractionId(new_id(START))
    asked = Extras(**extras) if extras else None
    return Outbound(ResourceId(bytes(16)), identifier, "+1", "+2", "Hi", expires, 0, extras=asked)


def link(validity: TimeForm = "relative", schedule: TimeForm = "never") -> SmppLink:
    return SmppLink(host="-", system_id="-", validity_period=validity, schedule_delivery_time=schedule)


@pytest.mark.parametrize(
    ("form", "expected"),
    [("never", ""), ("relative", "000000005000000R"), ("absolute", "260101010000000+")],
)
def test_a_validity_of_its_own_is_what_is_left_of_it(form: TimeForm, expected: str) -> None:
    now = START + 10 * MINUTE
    assert timed(PDU, message(validity=3600), link(form), now).validity_period == expected


def test_a_validity_that_is_nearly_over_is_still_one() -> None:
    assert timed(PDU, message(validity=60), link(), START + HOUR - 1).validity_period == "000000000001000R"


def test_the_operators_validity_is_not_the_carriers_business() -> None:
    assert timed(PDU, message(), link(), START) is PDU
    assert timed(PDU, message(protocol_id=1), link(), START) is PDU


def test_a_time_to_come_is_told_where_the_link_says_so() -> None:
    planned = message(START + 2 * HOUR, send_at=START + HOUR, validity=3600)
    told = timed(PDU, planned, link("absolute", "relative"), START)
    assert (told.schedule_delivery_time, told.validity_period) == ("000000010000000R", "260101020000000+")
    assert timed(PDU, planned, link("never"), START) is PDU
    late = timed(PDU, planned, link("relative", "absolute"), START + HOUR)
    assert (late.schedule_delivery_time, late.validity_period) == ("", "000000010000000R")


def test_a_link_that_keeps_nothing_gets_nothing_before_its_time() -> None:
    planned = message(send_at=START + MINUTE)
    assert too_early(planned, link(), START) == MINUTE
    assert too_early(planned, link(schedule="relative"), START) == 0
    assert too_early(planned, link(), START + MINUTE) == 0
    assert too_early(message(), link(), START) == 0


def test_receipts_are_waited_for_from_when_the_carrier_delivers() -> None:
    assert receipt_wait(message(), 60, START) == 60
    assert receipt_wait(message(send_at=START + MINUTE), 60, START) == 120
    assert receipt_wait(message(send_at=START - MINUTE), 60, START) == 60


def test_the_end_of_the_longest_plan_fits_into_a_relative_time() -> None:
    assert MAX_AHEAD == 24 * DAY
    last = message(START + 31 * DAY, send_at=START + MAX_AHEAD, validity=7 * DAY // SECOND)
    assert timed(PDU, last, link(), START).validity_period == "000031000000000R"
