"""Administration of receipts: in which form their ids come, and how many wait."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from sms.receipt_learning import ReceiptIdStatus
from telephony.kernel.http.route import Auth, Reply, Request, Route


class ReceiptIdList(Struct, frozen=True):
    """Every carrier of the node that answers."""

    value: tuple[ReceiptIdStatus, ...]


def routes(status: Callable[[], Awaitable[tuple[ReceiptIdStatus, ...]]]) -> list[Route]:
    """Return the administration's operations on receipts."""

    async def list_receipt_ids(_: Request[None]) -> Reply:
        return Reply(200, ReceiptIdList(await status()))

    return [
        Route(
            operation="admin.receipt_ids.list",
            method="GET",
            template="/admin/receipt-ids",
            handler=list_receipt_ids,
            auth=Auth.ADMIN,
            summary="How ids in receipts are read, declared or learned, and the receipts in doubt.",
            reply=ReceiptIdList,
        ),
    ]
