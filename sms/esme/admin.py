"""Administration of the accounts that bind to us."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, structs

from sms.esme.account import AccountSettings, SystemId
from sms.esme.store import ABSENT, StoredAccount
from sms.esme.usage import AccountUse
from sms.esme.verbs import AccountVerbs
from telephony.kernel.clock import to_iso
from telephony.kernel.errors import NotFound
from telephony.kernel.http.route import Auth, Reply, Request, Route
from telephony.kernel.ids import ResourceId
from telephony.resources.known import known_resource

COLLECTION: Final = "/admin/resources/{resource}/smppAccounts"
ITEM: Final = COLLECTION + "/{systemId}"


class NewAccount(AccountSettings, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """An account to add."""

    system_id: SystemId
    password: str | None = None
    """1 to 8 characters; unset: a random one."""


class AccountReply(Struct, frozen=True, rename="camel", omit_defaults=True):
    """An account as /admin shows it."""

    system_id: str
    settings: AccountSettings
    created: str
    password: str | None = None
    """Once: in the answer that made it."""
    use: AccountUse | None = None
    """In look-ups."""


class AccountList(Struct, frozen=True):
    """A resource's accounts."""

    value: tuple[AccountReply, ...]


class PasswordReply(Struct, frozen=True):
    """A new password; shown this once."""

    password: str


def routes(verbs: AccountVerbs, knows: Callable[[ResourceId], bool]) -> list[Route]:
    """Return the administration's operations on accounts; `knows` tells which resources exist."""

    def owner(request: Request[Any]) -> ResourceId:
        return known_resource(request.path["resource"], knows)

    async def add(request: Request[NewAccount]) -> Reply:
        body = request.body
        settings = AccountSettings(
            **{name: getattr(body, name) for name in AccountSettings.__struct_fields__}
        )
        account, secret = await verbs.add(owner(request), body.system_id, settings, body.password)
        return Reply(201, structs.replace(_shown(account), password=secret.reveal()))

    async def list_accounts(request: Request[None]) -> Reply:
        return Reply(200, AccountList(tuple(await _listed(verbs, owner(request)))))

    async def show(request: Request[None]) -> Reply:
        return Reply(200, await _named(verbs, owner(request), request.path["systemId"]))

    async def remove(request: Request[None]) -> Reply:
        await verbs.remove(owner(request), request.path["systemId"])
        return Reply(204)

    async def rotate(request: Request[None]) -> Reply:
        return Reply(
            200, PasswordReply((await verbs.rotate(owner(request), request.path["systemId"])).reveal())
        )

    async def enable(request: Request[None]) -> Reply:
        await verbs.enable(owner(request), request.path["systemId"], True)
        return Reply(204)

    async def disable(request: Request[None]) -> Reply:
        await verbs.enable(owner(request), request.path["systemId"], False)
        return Reply(204)

    return [
        Route(
            "admin.smpp_accounts.create",
            "POST",
            COLLECTION,
            add,
            Auth.ADMIN,
            body=NewAccount,
            summary="Let an application or a carrier bind to us; the password is shown this once",
            reply=AccountReply,
            reply_status=201,
        ),
        Route(
            "admin.smpp_accounts.list",
            "GET",
            COLLECTION,
            list_accounts,
            Auth.ADMIN,
            summary="A resource's SMPP accounts, and what they have and did",
            reply=AccountList,
        ),
        Route(
            "admin.smpp_accounts.get",
            "GET",
            ITEM,
            show,
            Auth.ADMIN,
            summary="An SMPP account, and what it has and did",
            reply=AccountReply,
        ),
        Route(
            "admin.smpp_accounts.delete",
            "DELETE",
            ITEM,
            remove,
            Auth.ADMIN,
            summary="Remove an account and what waits for it; its binds end",
            reply_status=204,
        ),
        Route(
            "admin.smpp_accounts.rotate",
            "POST",
            ITEM + ":rotatePassword",
            rotate,
            Auth.ADMIN,
            summary="Make a new password; its binds end",
            reply=PasswordReply,
        ),
        Route(
            "admin.smpp_accounts.enable",
            "POST",
            ITEM + ":enable",
            enable,
            Auth.ADMIN,
            summary="Let an account bind again",
            reply_status=204,
        ),
        Route(
            "admin.smpp_accounts.disable",
            "POST",
            ITEM + ":disable",
            disable,
            Auth.ADMIN,
            summary="End an account's binds and let it bind no more; what waits for it stays",
            reply_status=204,
        ),
    ]


def _shown(account: StoredAccount) -> AccountReply:
    return AccountReply(account.system_id, account.settings, to_iso(account.created))


async def _listed(verbs: AccountVerbs, resource: ResourceId) -> list[AccountReply]:
    found = await verbs.list(resource)
    uses = await verbs.uses(resource, (each.system_id for each in found))
    return [structs.replace(_shown(each), use=uses[each.system_id]) for each in found]


async def _named(verbs: AccountVerbs, resource: ResourceId, system_id: str) -> AccountReply:
    for account in await _listed(verbs, resource):
        if account.system_id == system_id:
            return account
    raise NotFound(ABSENT, target="systemId")
