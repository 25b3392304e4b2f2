"""Room that is kept for messages while they are being accepted, so that they are claimed by the same write.

A message on an idle way is accepted and claimed in one go: who reserves room for it writes it as claimed. Its
id is held from then on, so that whoever looks for messages that nobody works on does not take it for one.
"""

from collections.abc import Callable, Sequence

from sms.message import Outbound
from telephony.kernel.ids import InteractionId


class Reservation:
    """Room for messages; exactly one of `fulfil` and `abandon` is owed."""

    __slots__ = ("_settle", "ids")

    def __init__(
        self,
        ids: Sequence[InteractionId],
        settle: "Callable[[Reservation, Sequence[Outbound] | None], None]",
    ) -> None:
        """`settle` is told which messages were accepted; None: nobody knows."""
        self.ids = ids
        self._settle = settle

    def fulfil(self, messages: Sequence[Outbound]) -> None:
        """Hand over those that were accepted; room for the others is free again."""
        self._settle(self, messages)

    def abandon(self) -> None:
        """Say that the write failed: perhaps only its answer was lost, and they are claimed all the same."""
        self._settle(self, None)
