"""The carriers in force on this gateway, kept true: what any gateway changes is followed within 3 s."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import structlog

from carriers.model.carrier import Carrier
from tandem.carriers.documents import Document, built, decoded
from tandem.carriers.store import Stamp, StoredCarrier, read_carriers, read_stamps
from tandem.carriers.tables import document_place
from telephony.kernel.errors import TandemError
from telephony.kernel.store import Store
from telephony.kernel.watch import Watch

log = structlog.get_logger(__name__)

Told = Callable[[], Awaitable[None]]
"""Called after every change of the carriers in force."""


class Sealer(Protocol):
    """Seals what the database must not give away."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return `plain` sealed for the place `context` alone."""
        ...

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed. Raises a TandemError when it does not open."""
        ...


class LiveCarriers(Mapping[str, Carrier]):
    """The carriers in force now, by name: whoever holds on to it sees every change."""

    def __init__(self, now: Mapping[str, Carrier]) -> None:
        self._now = dict(now)

    def __getitem__(self, name: str) -> Carrier:
        return self._now[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)

    def become(self, now: Mapping[str, Carrier]) -> None:
        """Be these from now on."""
        self._now = dict(now)


@dataclass(frozen=True, slots=True)
class _Known:
    stamp: Stamp
    carrier: Carrier | None
    """None: it could never be used here."""
    wrong: str
    """Why it cannot be used as it is; the last good one stays in force."""


class CarrierDirectory:
    """`carriers` are those of this node's configuration, and those of the database.

    A name that both have is the configuration's here: a node's own file was there first, and says so.
    """

    def __init__(
        self,
        own: Mapping[str, Carrier],
        *,
        store: Store,
        sealer: Sealer,
        check: Callable[[str, Carrier], None] = lambda _name, _carrier: None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """`check` raises a TandemError for a carrier that cannot be used; `environment` has secrets."""
        self.own: Final = dict(own)
        self.carriers: Final = LiveCarriers(own)
        self.environment: Final = environment
        self._store, self._sealer, self._check = store, sealer, check
        self._known: dict[str, _Known] = {}
        self._told: list[Told] = []
        self._watch = Watch("carriers.directory", self.refresh)
        self._turn = asyncio.Lock()  # what was read earlier is never taken over later

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        both = [
            f"the carrier {name} stands in the configuration of this node and in the database:"
            " the configuration's is used here"
            for name in sorted(self.own.keys() & self._known.keys())
        ]
        wrong = [
            f"the carrier {name} cannot be used here"
            f"{' as it was changed' if known.carrier else ''}: {known.wrong}"
            for name, known in sorted(self._known.items())
            if known.wrong
        ]
        return both + wrong

    def follow(self, told: Told) -> None:
        """Call `told` after every change."""
        self._told.append(told)

    async def start(self) -> None:
        """Read everything, and keep looking for changes. Raises Unavailable when the store is away."""
        await self.refresh()
        self._watch.start()

    async def stop(self) -> None:
        """Stop looking for changes."""
        await self._watch.stop()

    async def refresh(self) -> None:
        """Take over what the database has, if changed. Raises Unavailable when that is away."""
        async with self._turn:
            stamps = await self._store.read(read_stamps)
            unusable = any(known.wrong for known in self._known.values())  # a file may be there now
            if not unusable and stamps == {name: known.stamp for name, known in self._known.items()}:
                return
            stored = await self._store.read(read_carriers)
            known = await asyncio.to_thread(self._looked_at, stored)
            for name, each in known.items():
                was = self._known.get(name)
                if each.wrong and (was is None or was.wrong != each.wrong):
                    log.error(
                        "carriers.not_usable", carrier=name, version=each.stamp.version, error=each.wrong
                    )
            self._known = known
            usable = {name: each.carrier for name, each in known.items() if each.carrier is not None}
            now = {**usable, **self.own}
            if now == dict(self.carriers):
                return
            changed = sorted(
                name for name in now.keys() | self.carriers.keys() if now.get(name) != self.carriers.get(name)
            )
            self.carriers.become(now)
            log.info("carriers.in_force", changed=changed, carriers=len(now))
            for told in self._told:
                try:
                    await told()
                except TandemError as error:  # each follows by itself too, and the others have to hear
                    log.warning("carriers.not_followed", error=error.message)

    def document(self, stored: StoredCarrier) -> Document:
        """Return the document of a stored carrier. Raises SealBroken."""
        return decoded(self._sealer.open(stored.sealed, document_place(stored.name)))

    def _looked_at(self, stored: Mapping[str, StoredCarrier]) -> dict[str, _Known]:
        found: dict[str, _Known] = {}
        for name, each in stored.items():
            was = self._known.get(name)
            if was is not None and was.stamp == each.stamp and not was.wrong:
                found[name] = was
                continue
            try:
                carrier = built(
                    {name: self.document(each)}, file=each.file or "api", environment=self.environment
                )[name]
                self._check(name, carrier)
                found[name] = _Known(each.stamp, carrier, "")
            except (TandemError, msgspec.DecodeError) as error:
                found[name] = _Known(each.stamp, None if was is None else was.carrier, str(error))
        return found
