"""What becomes of a message, chosen by its destination: the test numbers. Pure.

The numbers are fictional ones of the North American plan (555-0100 to 555-0199). A number that is not listed
is delivered at once.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from sms.smpp.constants import CommandStatus, MessageState

ALWAYS: Final = 1 << 30
"""For `refused_tries` and `lost_responses`: no try ever succeeds."""

ECHO: Final = "echo: "
"""What stands before the text that 0107 sends back."""


class End(Enum):
    """How a message ends: `stat` in a receipt's text (SMPP 3.4 appendix B), message_state, and err."""

    DELIVERED = ("DELIVRD", MessageState.DELIVERED, "000")
    EXPIRED = ("EXPIRED", MessageState.EXPIRED, "027")
    UNDELIVERABLE = ("UNDELIV", MessageState.UNDELIVERABLE, "001")
    REJECTED = ("REJECTD", MessageState.REJECTED, "008")

    def __init__(self, stat: str, state: MessageState, error: str) -> None:
        self.stat = stat
        self.state = state
        self.error = error


class Reply(Enum):
    """What the handset sends back."""

    NONE = "none"
    ECHO = "echo"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a message."""

    summary: str
    """One line for the reference."""
    end: End = End.DELIVERED
    receipts: int = 1
    """How often the receipt comes, if the sender asked for one."""
    receipt_first: bool = False
    """Whether it comes before the response to submit_sm."""
    slow: bool = False
    """Whether it takes `SimulatedSettings.slow_seconds`."""
    refusal: int = CommandStatus.ESME_ROK
    refused_tries: int = 0
    """How many tries of the same message are answered with `refusal` before one is accepted."""
    lost_responses: int = 0
    """How many tries of the same message are accepted but not answered."""
    reply: Reply = Reply.NONE


DELIVERED: Final = Outcome("delivered at once")

OUTCOMES: Final[dict[str, Outcome]] = {
    "12065550100": DELIVERED,
    "12065550101": Outcome("accepted, then undeliverable", end=End.UNDELIVERABLE),
    "12065550102": Outcome(
        "refused: ESME_RINVDSTADR (0x0B)", refusal=CommandStatus.ESME_RINVDSTADR, refused_tries=ALWAYS
    ),
    "12065550103": Outcome("accepted, never a receipt", receipts=0),
    "12065550104": Outcome("accepted, then expired", end=End.EXPIRED),
    "12065550105": Outcome("delivered after some seconds", slow=True),
    "12065550106": Outcome(
        "ESME_RTHROTTLED (0x58) twice, then delivered",
        refusal=CommandStatus.ESME_RTHROTTLED,
        refused_tries=2,
    ),
    "12065550107": Outcome("delivered, and answers: `echo: ` and the text", reply=Reply.ECHO),
    "12065550108": Outcome("delivered, and answers: `STOP`", reply=Reply.STOP),
    "12065550109": Outcome("delivered, the receipt comes twice", receipts=2),
    "12065550110": Outcome("delivered, the receipt comes before the response", receipt_first=True),
    "12065550111": Outcome(
        "ESME_RSYSERR (0x08) once, then delivered", refusal=CommandStatus.ESME_RSYSERR, refused_tries=1
    ),
    "12065550112": Outcome("accepted, then rejected", end=End.REJECTED),
    "12065550113": Outcome(
        "ESME_RMSGQFUL (0x14) once, then delivered", refusal=CommandStatus.ESME_RMSGQFUL, refused_tries=1
    ),
    "12065550114": Outcome("never answered, never a receipt", receipts=0, lost_responses=ALWAYS),
    "12065550115": Outcome(
        "delivered, the first response is lost; a second try is answered", lost_responses=1
    ),
}


def outcome_of(destination: str) -> Outcome:
    """Return what becomes of a message to `destination`, with or without a plus."""
    return OUTCOMES.get(destination.removeprefix("+"), DELIVERED)


def table() -> str:
    """Return the test numbers as the Markdown table of the reference."""
    rows = ["| number | what happens | receipt |", "|---|---|---|"]
    for digits, outcome in OUTCOMES.items():
        receipt = outcome.end.stat if outcome.receipts and outcome.refused_tries < ALWAYS else "–"
        if outcome.receipts > 1:
            receipt += f" × {outcome.receipts}"
        rows.append(f"| +1 {digits[1:4]} {digits[4:7]} {digits[7:]} | {outcome.summary} | {receipt} |")
    rows.append("| any other | delivered at once | DELIVRD |")
    return "\n".join(rows) + "\n"
