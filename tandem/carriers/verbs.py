"""What administration does with carriers: look, apply a folder, change and take away single ones."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from carriers.model.carrier import Carrier
from carriers.model.supply import BlockSupply
from tandem.carriers.directory import CarrierDirectory, Sealer
from tandem.carriers.documents import (
    Document,
    built,
    complaints,
    encoded,
    has_references,
    restored,
)
from tandem.carriers.store import (
    ChangeCarriers,
    Needs,
    Put,
    StoredCarrier,
    changed_meanwhile,
    check_removable,
    read_carriers,
)
from tandem.carriers.tables import document_place
from telephony.kernel.clock import Clock
from telephony.kernel.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed, TandemError
from telephony.kernel.store import Store
from telephony.numbers.intake import MAX_NUMBERS, Intake, take_in
from telephony.numbers.stock import MAX_SLICE, WithdrawSlice

log = structlog.get_logger(__name__)

CONFIGURATION: Final = "the node's configuration"
API: Final = "api"
"""What errors name where a file would stand."""

TRIES: Final = 3
"""Of applying a folder while others change carriers."""


class What(StrEnum):
    """What becomes of a carrier when a folder is applied."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a folder: its carriers by name."""

    file: str
    carriers: Mapping[str, Document]


@dataclass(frozen=True, slots=True)
class Shown:
    """A carrier, and whose it is."""

    name: str
    carrier: Carrier | None
    """None: it cannot be used on this gateway."""
    document: Document | None = None
    """As it was given; None for one of the configuration."""
    file: str = ""
    version: int = 0
    """0: it is the configuration's."""
    updated: int = 0


class CarrierVerbs:
    """What can be done with carriers. Each raises Unavailable when the store is away."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sealer: Sealer,
        directory: CarrierDirectory,
        data: Path,
        check: Callable[[str, Carrier], None],
        needs: Needs,
    ) -> None:
        """`check` raises a TandemError for a carrier that cannot be used; `data` is the node's own folder."""
        self._store, self._clock, self._sealer, self._directory = store, clock, sealer, directory
        self._data, self._check, self._needs = data, check, needs

    async def shown(self) -> list[Shown]:
        """Return every carrier, by name."""
        found = {name: Shown(name, carrier) for name, carrier in self._directory.own.items()}
        for name, stored in (await self._store.read(read_carriers)).items():
            if name not in found:
                found[name] = self._shown(stored)
        return [found[name] for name in sorted(found)]

    async def show(self, name: str) -> Shown:
        """Return a carrier. Raises NotFound."""
        for each in await self.shown():
            if each.name == name:
                return each
        raise NotFound("There is no such carrier.", target="carrier")

    async def apply(self, sources: Sequence[Source], *, check: bool = False) -> dict[str, What]:
        """Make the carriers of a folder all that files own, as a whole; return what becomes of each.

        With `check` nothing is changed. Raises InvalidRequest, a line for each mistake with file and key;
        Conflict for carriers that are the configuration's, or that are needed and gone from the folder: then
        nothing has changed.
        """
        wanted = self._joined(sources)
        await asyncio.to_thread(self._validate, sources)
        for attempt in range(TRIES):
            try:
                becomes = await self._apply_once(wanted, check=check)
            except PreconditionFailed:  # somebody changed one of them meanwhile
                if attempt == TRIES - 1:
                    raise
            else:
                if not check:
                    counts = {what.value: list(becomes.values()).count(what) for what in What}
                    log.info("carriers.applied", files=len(sources), **counts)
                return becomes
        raise AssertionError("the last try returns or raises")

    async def _apply_once(
        self, wanted: Mapping[str, tuple[str, Document]], *, check: bool
    ) -> dict[str, What]:
        stored = await self._store.read(read_carriers)
        change, becomes = await asyncio.to_thread(self._planned, wanted, stored)
        if check:
            await self._store.read(lambda tx: check_removable(tx, change.removes, self._needs))
        else:
            await self._write(change)
        return becomes

    async def put(self, name: str, document: Document, version: int | None) -> Shown:
        """Add or change a carrier that no file owns; return it.

        `version` is the one that it was made from, 0 for a new one; None: whichever. Stars in the place of a
        secret keep it. Raises InvalidRequest, Conflict when a file owns it, PreconditionFailed.
        """
        self._not_ours(name)
        stored = await self._store.read(read_carriers)
        before = stored.get(name)
        self._of_no_file(before)
        if version is not None and version != (0 if before is None else before.stamp.version):
            raise changed_meanwhile(name)
        document = restored(document, None if before is None else self._directory.document(before))
        await asyncio.to_thread(self._validate, [Source(API, {name: document})])
        seen = {} if before is None else {name: before.stamp}
        await self._write(ChangeCarriers(seen, {name: self._put(name, "", document)}, (), self._clock.now()))
        log.info("carriers.put", carrier=name)
        return await self.show(name)

    async def remove(self, name: str) -> None:
        """Take away a carrier that no file owns.

        Raises NotFound; Conflict when a file owns it, or messages, numbers or routes need it.
        """
        self._not_ours(name)
        before = (await self._store.read(read_carriers)).get(name)
        if before is None:
            raise NotFound("There is no such carrier.", target="carrier")
        self._of_no_file(before)
        await self._write(ChangeCarriers({name: before.stamp}, {}, (name,), self._clock.now(), self._needs))
        log.info("carriers.removed", carrier=name)

    async def stock(self, name: str) -> Intake:
        """Put the blocks of a carrier into the inventory of numbers; what is somebody's stays his.

        Raises NotFound when there is no such carrier, or it cannot be used here; InvalidRequest when they are
        more than an intake takes.
        """
        carrier = self._directory.carriers.get(name)
        if carrier is None:
            raise NotFound("There is no such carrier.", target="carrier")
        supply = BlockSupply(name, carrier.numbers)
        return await take_in(self._store, supply, most=MAX_NUMBERS)

    async def unstock(self, name: str) -> int:
        """Take the numbers of a carrier that are nobody's out of the inventory; return how many they were."""
        count, done = 0, MAX_SLICE
        while done == MAX_SLICE:
            done = await self._store.write(WithdrawSlice(name))
            count += done
        log.info("carriers.numbers_withdrawn", carrier=name, numbers=count)
        return count

    async def _write(self, change: ChangeCarriers) -> None:
        if change.puts or change.removes:
            await self._store.write(change)
        await self._directory.refresh()

    def _joined(self, sources: Sequence[Source]) -> dict[str, tuple[str, Document]]:
        wanted: dict[str, tuple[str, Document]] = {}
        wrong, conflicts = [], []
        for source in sources:
            for name, document in source.carriers.items():
                if name in wanted:
                    wrong.append(
                        f"{source.file}: carriers.{name}: stands in {wanted[name][0]} too; leave it in one"
                    )
                elif name in self._directory.own:
                    conflicts.append(
                        f"{source.file}: carriers.{name}: owned by {CONFIGURATION}; take it out there and"
                        " start again first"
                    )
                wanted[name] = (source.file, document)
        if wrong:
            raise InvalidRequest("\n".join(wrong), target="files")
        if conflicts:
            raise Conflict("\n".join(conflicts), target="files")
        return wanted

    def _validate(self, sources: Sequence[Source]) -> None:
        """Raise InvalidRequest, with a line for each thing that is wrong."""
        wrong: list[str] = []
        for source in sources:
            mine = [
                f"{source.file}: carriers.{name}.{complaint}"
                for name, document in source.carriers.items()
                for complaint in complaints(document, self._data)
            ]
            try:
                if not mine:  # whoever may not read a file is not told what came of reading it
                    carriers = built(
                        dict(source.carriers), file=source.file, environment=self._directory.environment
                    )
                    for name, carrier in carriers.items():
                        self._check(name, carrier)
            except TandemError as error:
                lines = error.message.splitlines()
                mine += [line if line.startswith(source.file) else f"{source.file}: {line}" for line in lines]
            wrong += mine
        if wrong:
            raise InvalidRequest("\n".join(wrong), target="carriers")

    def _planned(
        self, wanted: Mapping[str, tuple[str, Document]], stored: Mapping[str, StoredCarrier]
    ) -> tuple[ChangeCarriers, dict[str, What]]:
        puts: dict[str, Put] = {}
        becomes: dict[str, What] = {}
        for name, (file, document) in sorted(wanted.items()):
            before = stored.get(name)
            same = (
                before is not None
                and before.file == file
                and encoded(self._directory.document(before)) == encoded(document)
            )
            becomes[name] = What.ADDED if before is None else What.SAME if same else What.CHANGED
            if not same or has_references(document):  # what a file holds may be another secret today
                puts[name] = self._put(name, file, document)
        removes = tuple(name for name, each in sorted(stored.items()) if each.file and name not in wanted)
        becomes |= dict.fromkeys(removes, What.REMOVED)
        seen = {name: each.stamp for name, each in stored.items()}
        return ChangeCarriers(seen, puts, removes, self._clock.now(), self._needs), becomes

    def _put(self, name: str, file: str, document: Document) -> Put:
        return Put(file, self._sealer.seal(encoded(document), document_place(name)))

    def _shown(self, stored: StoredCarrier) -> Shown:
        carrier = self._directory.carriers.get(stored.name)
        try:
            document = self._directory.document(stored)
        except TandemError:  # of another master key: the list shows it, and the health says why
            carrier = document = None
        return Shown(stored.name, carrier, document, stored.file, stored.stamp.version, stored.stamp.updated)

    def _not_ours(self, name: str) -> None:
        if name in self._directory.own:
            raise Conflict(
                f"The carrier {name} is owned by {CONFIGURATION}: change it there, and start again.",
                target="carrier",
            )

    @staticmethod
    def _of_no_file(stored: StoredCarrier | None) -> None:
        if stored is not None and stored.file:
            raise Conflict(
                f"The carrier {stored.name} is owned by the file {stored.file}: change it there, and apply"
                " the folder (tandem carriers apply).",
                target="carrier",
            )
