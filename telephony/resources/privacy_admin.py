"""Forgetting a person on request."""

from collections.abc import Callable
from typing import Annotated, Final

from msgspec import Meta, Struct

from telephony.kernel.e164 import parse_e164
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.route import Auth, Reply, Request, Role, Route
from telephony.kernel.ids import ResourceId
from telephony.resources.audit_shown import SHORTENED
from telephony.resources.known import known_resource
from telephony.resources.privacy import PrivacyVerbs

PATH: Final = "/admin/resources/{resource}/privacy:delete"


class ErasePerson(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Whom to forget."""

    phone_number: Annotated[str, Meta(max_length=16, extra=SHORTENED)]
    """In E.164. Records of the audit show its beginning and end only."""

    def __repr__(self) -> str:
        return "ErasePerson(***)"


class EraseReport(Struct, frozen=True):
    """What was erased and what was kept, by kind; how many each."""

    erased: dict[str, int]
    kept: dict[str, int]
    """Opt-outs, and messages that are not over: ask again when they are."""
    named: tuple[str, ...] = ()
    """Rules in force that name the number: whoever wrote them has to decide what shall hold instead."""


def routes(verbs: PrivacyVerbs, knows: Callable[[ResourceId], bool]) -> list[Route]:
    """Return the operation; `knows` tells which resources exist."""

    async def erase(request: Request[ErasePerson]) -> Reply:
        resource = known_resource(request.path["resource"], knows)
        number = parse_e164(request.body.phone_number)
        if number is None:
            raise InvalidRequest(
                "phoneNumber: It must be a number in E.164: +14255550123.", target="phoneNumber"
            )
        report = await verbs.erase(resource, number)
        return Reply(200, EraseReport(dict(report.erased), dict(report.kept), tuple(report.named)))

    return [
        Route(
            "admin.privacy.delete",
            "POST",
            PATH,
            erase,
            Auth.ADMIN,
            body=ErasePerson,
            summary="Erase everything that tells of a person's number; opt-outs stay",
            roles=(Role.OWNER, Role.OPERATOR),
            reply=EraseReport,
        )
    ]
