"""The verbs behind ACS's opt-outs: add, remove, check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from sms.optouts.store import AddOptOuts, CheckOptOuts, RemoveOptOuts
from sms.store.finish import Finisher
from telephony.kernel.clock import Clock
from telephony.kernel.e164 import parse_e164, shorten
from telephony.kernel.errors import Unauthorized
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory

log = structlog.get_logger(__name__)

MALFORMED: Final = "Invalid recipient phone number format"
"""As Azure says it."""


@dataclass(frozen=True, slots=True)
class OptOutResult:
    """What became of one recipient."""

    to: str
    status: int
    opted_out: bool | None = None
    """The answer of a check."""
    error: str | None = None


class OptOutVerbs:
    """Opt-outs of recipients from a number of the caller's.

    Each verb returns a result for each recipient, in order, also for one that is named twice; a malformed one
    fails alone. Each raises Unauthorized when the number is not the resource's, as sending does, and
    Unavailable when the store is away.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        numbers: NumberDirectory,
        finisher: Callable[[], Finisher],
        ended: Callable[[Finisher], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._numbers = numbers
        self._finisher = finisher
        self._ended = ended

    async def add(self, resource: ResourceId, sender: str, recipients: Sequence[str]) -> list[OptOutResult]:
        """Opt recipients out; what waits to be sent to them ends. Once more changes nothing."""
        valid = await self._valid(resource, sender, recipients)
        if valid:
            job = AddOptOuts(self._finisher(), resource, sender, valid, self._clock.now())
            self._ended(await self._store.write(job))
            self._tell("added", resource, sender, valid)
        return [_result(to) for to in recipients]

    async def remove(
        self, resource: ResourceId, sender: str, recipients: Sequence[str]
    ) -> list[OptOutResult]:
        """Undo opt-outs; one that there is not is no error."""
        valid = await self._valid(resource, sender, recipients)
        if valid:
            await self._store.write(RemoveOptOuts(resource, sender, valid))
            self._tell("removed", resource, sender, valid)
        return [_result(to) for to in recipients]

    async def check(self, resource: ResourceId, sender: str, recipients: Sequence[str]) -> list[OptOutResult]:
        """Tell who has opted out."""
        valid = await self._valid(resource, sender, recipients)
        found = await self._store.read(CheckOptOuts(resource, sender, valid)) if valid else set()
        return [_result(to, to in found) for to in recipients]

    async def _valid(self, resource: ResourceId, sender: str, recipients: Sequence[str]) -> list[str]:
        owned = await self._numbers.find(sender)
        if owned is None or owned.resource != resource:
            raise Unauthorized("The sender is not a phone number of this resource.", target="from")
        return sorted({to for to in recipients if parse_e164(to) is not None})

    def _tell(self, what: str, resource: ResourceId, sender: str, recipients: Sequence[str]) -> None:
        """Leave a line for each, without its whole number: one that is removed leaves no other trace."""
        for to in recipients:
            log.info(
                f"optouts.{what}", resource=to_text(resource), number=shorten(sender), recipient=shorten(to)
            )


def _result(to: str, opted_out: bool | None = None) -> OptOutResult:
    if parse_e164(to) is None:
        return OptOutResult(to, 400, error=MALFORMED)
    return OptOutResult(to, 200, opted_out)
