"""Administration of carriers: a folder as a whole, and single ones that no file owns."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from tandem.carriers.documents import shown
from tandem.carriers.store import MAX_CARRIERS
from tandem.carriers.tables import MAX_NAME
from tandem.carriers.verbs import CarrierVerbs, Shown, Source, What
from telephony.kernel.clock import to_iso
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.route import Auth, Reply, Request, Route

LIST: Final = "/admin/carriers"
ITEM: Final = LIST + "/{carrier}"

MAX_FOLDER: Final = 8 * 1024 * 1024
"""Bytes of a folder: a thousand carriers with several links and trunks each are 3 MB."""

MAX_TOLD: Final = 1000
"""Numbers of which an answer says why they were not taken."""

FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.toml$", max_length=MAX_NAME)]
Version = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Document = dict[str, Any]


class FolderFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the folder."""

    name: FileName
    """Without its folder: `acme.toml`. It owns its carriers."""
    carriers: dict[str, Document]
    """What stands in its tables `[carriers.NAME]`, as `tandem.toml` spells it."""


class PutCarriers(Struct, frozen=True, forbid_unknown_fields=True):
    """A folder to apply as a whole."""

    files: Annotated[tuple[FolderFile, ...], Meta(max_length=MAX_CARRIERS)]
    """All its files. Carriers that a file owned and that stand in none of them are taken away."""


class PutCarrier(Struct, frozen=True, forbid_unknown_fields=True):
    """A carrier to add or change."""

    carrier: Document
    """As a table `[carriers.NAME]` says it; `***` keeps a secret as it is."""
    version: Version | None = None
    """The version that it was made from, 0 for a new one. Unset: whichever is in force."""


class CarrierSummary(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A carrier in a list."""

    name: str
    owner: str
    """`configuration`, `file` or `api`: who may change it."""
    file: str = ""
    """The file of the folder that owns it."""
    version: int = 0
    """Counts its changes; none for one of the configuration."""
    updated_at: str | None = None
    usable: bool = True
    """False: this gateway cannot use it as it is; `/health` says why."""
    simulated: bool = False
    profile: str = ""
    links: tuple[str, ...] = ()
    """SMPP links."""
    trunks: tuple[str, ...] = ()
    """SIP trunks."""
    numbers: tuple[str, ...] = ()
    """Blocks of numbers: `+4930123400-+4930123499`."""


class CarrierList(Struct, frozen=True):
    """Every carrier."""

    value: tuple[CarrierSummary, ...]


class CarrierReply(CarrierSummary, frozen=True, rename="camel", omit_defaults=True):
    """A carrier."""

    carrier: Document | None = None
    """As it was given, stars for its secrets. None for one of the configuration: see `tandem config show`."""


class Became(Struct, frozen=True):
    """What became of a carrier."""

    name: str
    what: What


class AppliedReply(Struct, frozen=True):
    """What became of the carriers that files own."""

    value: tuple[Became, ...]


class StockedReply(Struct, frozen=True):
    """What became of a carrier's blocks of numbers."""

    kept: int
    """Numbers that are in the inventory now."""
    rejected: tuple[str, ...]
    """Why others are not: most are somebody's already. At most a thousand are told."""


class UnstockedReply(Struct, frozen=True):
    """Numbers that were taken out of the inventory."""

    withdrawn: int


def routes(verbs: CarrierVerbs) -> list[Route]:
    """Return the administration's operations on carriers."""

    async def list_carriers(_: Request[None]) -> Reply:
        found = await verbs.shown()
        return Reply(200, CarrierList(tuple(CarrierSummary(**_summary(each)) for each in found)))

    async def apply(request: Request[PutCarriers]) -> Reply:
        return Reply(200, _applied(await verbs.apply(_sources(request.body))))

    async def check(request: Request[PutCarriers]) -> Reply:
        return Reply(200, _applied(await verbs.apply(_sources(request.body), check=True)))

    async def show(request: Request[None]) -> Reply:
        return Reply(200, _reply(await verbs.show(request.path["carrier"])))

    async def put(request: Request[PutCarrier]) -> Reply:
        body = request.body
        return Reply(200, _reply(await verbs.put(request.path["carrier"], body.carrier, body.version)))

    async def remove(request: Request[None]) -> Reply:
        await verbs.remove(request.path["carrier"])
        return Reply(204)

    async def stock(request: Request[None]) -> Reply:
        done = await verbs.stock(request.path["carrier"])
        told = tuple(each.reason for each in done.rejected[:MAX_TOLD])
        return Reply(200, StockedReply(done.kept, told))

    async def unstock(request: Request[None]) -> Reply:
        return Reply(200, UnstockedReply(await verbs.unstock(request.path["carrier"])))

    return [
        Route(
            "admin.carriers.list",
            "GET",
            LIST,
            list_carriers,
            Auth.ADMIN,
            summary="The carriers, and who owns each",
            reply=CarrierList,
        ),
        Route(
            "admin.carriers.apply",
            "PUT",
            LIST,
            apply,
            Auth.ADMIN,
            body=PutCarriers,
            max_body=MAX_FOLDER,
            summary="Apply a folder of carriers as a whole",
            reply=AppliedReply,
        ),
        Route(
            "admin.carriers.check",
            "POST",
            LIST + ":check",
            check,
            Auth.ADMIN,
            body=PutCarriers,
            max_body=MAX_FOLDER,
            audited=False,
            summary="Tell what applying a folder of carriers would do",
            reply=AppliedReply,
        ),
        Route(
            "admin.carriers.get",
            "GET",
            ITEM,
            show,
            Auth.ADMIN,
            summary="Show a carrier",
            reply=CarrierReply,
        ),
        Route(
            "admin.carriers.put",
            "PUT",
            ITEM,
            put,
            Auth.ADMIN,
            body=PutCarrier,
            summary="Add or change a carrier that no file owns",
            reply=CarrierReply,
        ),
        Route(
            "admin.carriers.delete",
            "DELETE",
            ITEM,
            remove,
            Auth.ADMIN,
            summary="Take away a carrier that no file owns and nothing needs",
            reply_status=204,
        ),
        Route(
            "admin.carriers.stock",
            "POST",
            ITEM + ":stock",
            stock,
            Auth.ADMIN,
            summary="Put a carrier's blocks of numbers into the inventory",
            reply=StockedReply,
        ),
        Route(
            "admin.carriers.unstock",
            "POST",
            ITEM + ":unstock",
            unstock,
            Auth.ADMIN,
            summary="Take a carrier's numbers that are nobody's out of the inventory",
            reply=UnstockedReply,
        ),
    ]


def _sources(body: PutCarriers) -> list[Source]:
    names = [each.name for each in body.files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidRequest(f"files: {', '.join(twice)} stands there twice.", target="files")
    return [Source(each.name, each.carriers) for each in body.files]


def _applied(becomes: dict[str, What]) -> AppliedReply:
    return AppliedReply(tuple(Became(name, what) for name, what in sorted(becomes.items())))


def _reply(each: Shown) -> CarrierReply:
    document = None if each.document is None else shown(each.document)
    return CarrierReply(**_summary(each), carrier=document)


def _summary(each: Shown) -> dict[str, Any]:
    owner = "configuration" if not each.version else "file" if each.file else "api"
    found: dict[str, Any] = {"name": each.name, "owner": owner, "file": each.file, "version": each.version}
    found["updated_at"] = to_iso(each.updated) if each.version else None
    carrier = each.carrier
    if carrier is None:
        return {**found, "usable": False}
    return {
        **found,
        "simulated": carrier.simulated,
        "profile": carrier.profile,
        "links": tuple(carrier.smpp),
        "trunks": tuple(carrier.sip),
        "numbers": tuple(
            block.first if block.end == block.first else f"{block.first}-{block.end}"
            for block in carrier.numbers.values()
        ),
    }
