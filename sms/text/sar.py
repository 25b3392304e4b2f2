"""Concatenation by optional parameters (SMPP 3.4 §5.3.2.22-24): the SMSC makes the headers."""

from typing import Final

from sms.smpp.constants import Tag
from sms.smpp.pdu import Tlvs, tlv
from sms.text.udh import Concat

REFERENCE: Final = int(Tag.SAR_MSG_REF_NUM)
TOTAL: Final = int(Tag.SAR_TOTAL_SEGMENTS)
NUMBER: Final = int(Tag.SAR_SEGMENT_SEQNUM)


def write(reference: int, total: int, number: int) -> Tlvs:
    """Return the optional parameters of a part.

    The reference is taken modulo 256: it must fit the 8-bit header for which parts are cut, should the SMSC
    choose the width by the value.
    """
    return (
        (REFERENCE, (reference & 0xFF).to_bytes(2, "big")),
        (TOTAL, bytes((total,))),
        (NUMBER, bytes((number,))),
    )


def read(tlvs: Tlvs) -> Concat | None:
    """Return which part of which text the optional parameters say this is; None when they do not.

    A missing one, one of a wrong length, a total of 0 or a number that is 0 or past the total: None, as all
    three must be there together (§5.3.2.22) and nothing is guessed.
    """
    if not tlvs:
        return None
    reference, total, number = tlv(tlvs, REFERENCE), tlv(tlvs, TOTAL), tlv(tlvs, NUMBER)
    if reference is None or total is None or number is None:
        return None
    if (len(reference), len(total), len(number)) != (2, 1, 1) or not 1 <= number[0] <= total[0]:
        return None
    return Concat(int.from_bytes(reference, "big"), total[0], number[0], wide=True, sar=True)
