"""Refusals of a message that are worth another try, by name (SMPP 3.4 §5.1.3) or number."""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta

StatusName = Annotated[str, Meta(pattern=r"^(ESME_R[A-Z_]{1,20}|0x[0-9A-Fa-f]{1,8})$")]
"""A name of `CODES`, or the number of a carrier's own error: `0x0400`."""

CODES: Final = {
    "ESME_RINVMSGLEN": 0x01,
    "ESME_RINVBNDSTS": 0x04,
    "ESME_RSYSERR": 0x08,
    "ESME_RINVSRCADR": 0x0A,
    "ESME_RINVDSTADR": 0x0B,
    "ESME_RSUBMITFAIL": 0x45,
    "ESME_RX_T_APPN": 0x64,
    "ESME_RX_P_APPN": 0x65,
    "ESME_RX_R_APPN": 0x66,
    "ESME_RDELIVERYFAILURE": 0xFE,
    "ESME_RUNKNOWNERR": 0xFF,
}
"""Errors that carriers answer although the same message may go well later."""

_THROTTLED: Final = frozenset({0x14, 0x58})


def retry_codes(names: Iterable[str], setting: str = "retry_on") -> frozenset[int]:
    """Return the command_status of each name or number.

    Raises ValueError, naming the setting, for what means no such refusal.
    """
    codes: set[int] = set()
    for name in names:
        code = int(name, 16) if name.startswith("0x") else CODES.get(name)
        if code is None:
            raise ValueError(f"{setting}: expected one of {', '.join(CODES)}, or a number, got {name}")
        if code == 0 or code in _THROTTLED:
            raise ValueError(f"{setting}: {name} is no refusal; what is throttled is sent again in any case")
        codes.add(code)
    return frozenset(codes)
