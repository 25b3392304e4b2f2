"""What a carrier answers, and what then becomes of the parts that it was about.

What it takes is written down; what it refuses is tried again when the refusal is named so, given to the next
carrier when it is named so or its tries are used up, and has failed otherwise (R19).
"""

from collections.abc import Set
from typing import Final

from sms.bank import Bank
from sms.departures import Departures
from sms.message import Outbound
from sms.outcomes import Outcomes
from sms.outgoing import Outgoing, Unit
from sms.ports import SubmitLink
from sms.smpp.constants import CommandStatus, status_text
from sms.states import MessageEvent
from sms.suspicion import Suspicion
from telephony.kernel.clock import Clock

THROTTLED: Final = frozenset({CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL})
"""The carrier wants us slower (SMPP 3.4 §5.1.3): wait and send again, however often."""

TEMPORARY: Final = frozenset({CommandStatus.ESME_RSYSERR, CommandStatus.ESME_RX_T_APPN})
"""The carrier could not do it now: try again, a bounded number of times."""

RETRY_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Pauses after a temporary refusal or a lost answer; the last repeats."""


class Answers:
    """The answers of one carrier (`sms.smpp.link.LinkHandler`, the outbound half)."""

    def __init__(
        self,
        *,
        clock: Clock,
        attempts: int,
        retry_on: Set[int],
        failover_on: Set[int],
        bank: Bank,
        outgoing: Outgoing,
        outcomes: Outcomes,
        suspicion: Suspicion,
        departures: Departures,
    ) -> None:
        """`retry_on` are refusals (command_status) that are worth another try here, `attempts` so many;
        `failover_on` those that send a message to the next carrier at once."""
        self._clock, self._attempts = clock, attempts
        self._retry_on, self._failover_on = retry_on, failover_on
        self._bank = bank
        self._outgoing, self._outcomes = outgoing, outcomes
        self._suspicion, self._departures = suspicion, departures

    def answered(self, link: SubmitLink, unit: Unit, status: int, remote_id: str) -> None:
        """Take a submit_sm_resp."""
        message, pace = unit.message, self._bank.pace(link)
        message.on_wire -= 1
        self._suspicion.answers += 1
        if self._suspicion.busy:
            self._suspicion.answered(link.name)
        if status == CommandStatus.ESME_ROK:
            pace.taken(link.outstanding, link.room)
            self._outcomes.taken(link.name, unit, remote_id)
        elif message.over:
            pass  # what became of its other parts decided
        elif message.leaving:
            self._departures.park(unit)
        elif status in THROTTLED:
            pace.throttled(link.outstanding, self._clock.monotonic())
            data = {"part": unit.part.number, "status": status}
            self._outcomes.note(message, f"link:{link.name}", "part.throttled", data)
            unit.losses = 0
            self._outgoing.give_back(unit)
        elif status in self._retry_on or status == CommandStatus.ESME_RINVBNDSTS:  # the SMSC is unbinding
            self._try_later(link, unit, f"refused by the carrier: {status_text(status)}")
        elif status in self._failover_on:
            reason = f"refused by the carrier: {status_text(status)}"
            self._departures.refused(unit, f"link:{link.name}", reason)
        else:
            reason = f"refused by the carrier: {status_text(status)}"
            self._outcomes.end(message, MessageEvent.REFUSE, f"link:{link.name}", reason)
        self._settle(message)

    def lost(self, link: SubmitLink, unit: Unit, reason: str) -> None:
        """Take back a part whose answer will not come; the carrier may have it.

        The link's settings say what then: usually it is sent again, and marked.
        """
        message = unit.message
        message.on_wire -= 1
        message.doubt = True
        unit.again = reason
        policy = self._bank.policy(link).on_lost_response
        if policy == "fail":
            self._fail(message, link, f"{reason}; the carrier may have it")
        elif policy == "wait":
            data = {"part": unit.part.number, "reason": reason}
            self._outcomes.note(message, f"link:{link.name}", "part.unanswered", data)
            self._outcomes.taken(link.name, unit, "")
        elif message.over or message.leaving:
            self._outgoing.give_back(unit)
        elif link.bound:  # its own answer is missing, not that of all on the link
            self._suspicion.answered(link.name)
            self._try_later(link, unit, reason)
        else:
            self._suspicion.lost(link.name, unit)
        self._settle(message)

    def _fail(self, message: Outbound, link: SubmitLink, reason: str) -> None:
        self._departures.stop(message)
        self._outcomes.end(message, MessageEvent.REFUSE, f"link:{link.name}", reason)

    def _settle(self, message: Outbound) -> None:
        if message.leaving and not message.on_wire:
            self._departures.settle(message)

    def _try_later(self, link: SubmitLink, unit: Unit, reason: str) -> None:
        unit.attempts += 1
        unit.avoid = link.name
        if unit.attempts >= self._attempts:
            text = f"{reason} ({unit.attempts} times)"
            self._departures.refused(unit, f"link:{link.name}", text)
            return
        pause = RETRY_SECONDS[min(unit.attempts, len(RETRY_SECONDS)) - 1]
        data = {"part": unit.part.number, "reason": reason, "again_after": pause}
        self._outcomes.note(unit.message, f"link:{link.name}", "part.postponed", data)
        self._outgoing.try_later(unit, self._clock.monotonic() + pause)
