"""What becomes of a call, chosen by the number that is dialled: the test numbers. Pure.

Fictional ones of the North American plan, as for texts. A number that is not listed answers and plays a tone.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

TONE_HERTZ: Final = 425.0
"""Of numbers that play a tone."""


class Sound(Enum):
    """What a telephone that answered sends."""

    SILENCE = "silence"
    TONE = "tone"
    ECHO = "echo"


class Fault(Enum):
    """Misbehaviours of carriers, by name."""

    NONE = "none"
    LOST_200 = "lost 200"
    """The first 200 gets lost; it is repeated as RFC 3261 §13.3.1.4 says."""
    PRIVATE_SDP = "private SDP"
    """Its SDP names an address of its own network; sound comes from where signalling does."""
    HOLD = "re-INVITE with hold"
    """It holds a second after the answer, and goes on a second later."""
    SILENT = "no response"
    """It answers nothing at all, not even 100."""
    DEAF = "ACK without effect"
    """It repeats its 200 for as long as it may, whatever ACK comes."""


@dataclass(frozen=True, slots=True)
class Act:
    """What becomes of a call."""

    summary: str
    """One line for the reference."""
    status: int = 200
    reason: str = "OK"
    ring_seconds: float = 0.0
    """How long it rings before that."""
    for_ever: bool = False
    """Rings until the caller gives up."""
    early: bool = False
    """Whether its sound begins with 183, before the answer."""
    sound: Sound = Sound.TONE
    hang_up_seconds: float | None = None
    """After the answer; None: it waits for the caller."""
    digits: str = ""
    """Sent by RFC 4733 once it is up."""
    q850: int = 0
    """In a Reason header of the refusal."""
    fault: Fault = Fault.NONE


ANSWERS: Final = Act("answers and plays 425 Hz")

ACTS: Final[dict[str, Act]] = {
    "12065550120": ANSWERS,
    "12065550121": Act("answers and sends back what it hears", sound=Sound.ECHO),
    "12065550122": Act("rings for ever", for_ever=True),
    "12065550123": Act("is busy: 486", 486, "Busy Here", q850=17),
    "12065550124": Act("refuses: 603", 603, "Decline", q850=21),
    "12065550125": Act("does not exist: 404", 404, "Not Found", q850=1),
    "12065550126": Act("has no circuit: 503", 503, "Service Unavailable", q850=34),
    "12065550127": Act("answers, and hangs up after 2 s", hang_up_seconds=2.0),
    "12065550128": Act("answers and presses 1 2 3 #", digits="123#"),
    "12065550129": Act("rings for 1 s with sound (183), then answers", ring_seconds=1.0, early=True),
    "12065550130": Act("rings for 3 s, then answers", ring_seconds=3.0),
    "12065550131": Act("does not answer in time: 408", 408, "Request Timeout"),
    "12065550132": Act("answers, and says nothing", sound=Sound.SILENCE),
    "12065550133": Act("answers; the first 200 is lost", fault=Fault.LOST_200),
    "12065550134": Act("answers with an address of its own network in SDP", fault=Fault.PRIVATE_SDP),
    "12065550135": Act("answers, holds after 1 s, goes on after 2 s", fault=Fault.HOLD),
    "12065550136": Act("is not heard of at all", fault=Fault.SILENT),
    "12065550137": Act("answers, and takes no ACK", fault=Fault.DEAF),
    "12065550138": Act("has moved: 302", 302, "Moved Temporarily"),
    "12065550139": Act("is not reachable now: 480", 480, "Temporarily Unavailable", q850=20),
}


def act_of(dialled: str) -> Act:
    """Return what becomes of a call to a number, with or without a plus."""
    return ACTS.get(dialled.removeprefix("+"), ANSWERS)


def table() -> str:
    """Return the test numbers as the Markdown table of the reference."""
    rows = ["| number | what happens |", "|---|---|"]
    for digits, act in ACTS.items():
        rows.append(f"| +1 {digits[1:4]} {digits[4:7]} {digits[7:]} | {act.summary} |")
    rows.append(f"| any other | {ANSWERS.summary} |")
    return "\n".join(rows) + "\n"
