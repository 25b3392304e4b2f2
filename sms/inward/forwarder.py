"""Sends texts on to other numbers, as a rule said: from our own number, by the way that every text takes.

So limits, opt-outs, routes and prices hold for them too. A text is sent on once: its row's id is the
repeatability id of the message that is sent, so that a process that dies in between, or another gateway that
takes over, sends none twice.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from sms.inward.placing import SOURCE, said
from sms.inward.store import Forward, PostponeForward, SettleForward, waiting
from sms.message import wire_id
from sms.send import Options, Recipient, Result
from sms.store.finish import Finisher
from sms.text import BARE
from telephony.kernel.clock import HOUR, SECOND, Clock
from telephony.kernel.errors import LimitReached, TandemError, Unavailable
from telephony.kernel.http.repeatability import Pair
from telephony.kernel.ids import NodeId, ResourceId, to_text
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

SLICE: Final = 100
"""Texts read at once."""

LOOK_SECONDS: Final = 5.0
"""How often the store is asked without a reason: what a dead process left."""

GIVE_UP: Final = HOUR
"""Microseconds for which it is tried while too much waits, or comes too fast; then the next place is."""

RETRY_SECONDS: Final = 2.0
"""The pause when nobody says how long."""

TOO_LONG: Final = "It could not be sent on within an hour."
FORGOTTEN: Final = "The text is not kept any more."


class Send(Protocol):
    """Sends texts: `sms.send.SendSms`."""

    async def __call__(
        self,
        resource: ResourceId,
        sender: str,
        recipients: Sequence[Recipient],
        text: str | bytes,
        options: Options,
        request_id: str,
    ) -> list[Result]:
        """See `sms.send.SendSms`."""
        ...


class Forwarder:
    """Works on this node's rows. `start`, then `stop`; `wake` when there is more."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        send: Send,
        finisher: Callable[[], Finisher],
        ended: Callable[[Finisher], None],
    ) -> None:
        self._store, self._clock, self._node, self._send = store, clock, node, send
        self._finisher, self._ended = finisher, ended
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, with what an earlier life left."""
        self._more.set()
        self._task = asyncio.create_task(self._run(), name="sms.forwarder")

    async def stop(self) -> None:
        """End; what is not sent on waits in the store."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def wake(self) -> None:
        """Look into the store."""
        self._more.set()

    async def _run(self) -> None:
        pause = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._more.wait()
            self._more.clear()
            pause = LOOK_SECONDS
            try:
                pause = min(LOOK_SECONDS, await self.work())
            except TandemError as error:  # the store reports its own trouble; what is due stays due
                log.debug("forwarder.store_away", error=error.message)
                pause = RETRY_SECONDS
            except Exception:  # a task that ends would send nothing on ever again
                log.exception("forwarder.failed")
                pause = RETRY_SECONDS

    async def work(self) -> float:
        """Send on what is due; return after how many seconds to look again. Raises Unavailable."""
        while True:
            now = self._clock.now()
            found = await self._store.read(waiting(self._node, now, SLICE))
            for one in found.due:
                await self._see_to(one)
            if len(found.due) < SLICE:
                break
        if found.next_due is None or found.due:  # those that were put off have another time now
            return LOOK_SECONDS if found.next_due is None else 0.1
        return max(0.0, (found.next_due - now) / SECOND)

    async def _see_to(self, one: Forward) -> None:
        now = self._clock.now()
        try:
            sent, failed = await self._sent(one)
        except (LimitReached, Unavailable) as error:
            pause = error.retry_after or RETRY_SECONDS
            if now - one.at < GIVE_UP:
                due = now + round(pause * SECOND)
                await self._store.write(PostponeForward(self._node, one.resource, one.id, due))
                return
            sent, failed = "", f"{TOO_LONG} {error.message}"
        except TandemError as error:
            sent, failed = "", error.message
        job = SettleForward(self._finisher(), one, self._clock.now(), sent, failed)
        self._ended(await self._store.write_until_done(job))
        if failed:
            log.info("sms.not_forwarded", resource=to_text(one.resource), reason=failed)

    async def _sent(self, one: Forward) -> tuple[str, str]:
        """Send; return the message's id, or why there is none."""
        if one.text is None:
            return "", FORGOTTEN
        extras = one.text.extras
        options = Options(source=SOURCE, envelope=BARE if extras is None else extras.envelope)
        recipient = Recipient(one.target.number, Pair(to_text(one.id), one.at))
        text = said(one.text, one.target)
        request = wire_id(one.message, "inbound")
        (result,) = await self._send(one.resource, one.text.own, [recipient], text, options, request)
        if result.status == 202 and result.message_id is not None:
            return result.message_id, ""
        return "", result.error or "It was refused."
