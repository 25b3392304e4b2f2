"""ACS Sms: `POST /sms` (Communication Services SMS, operation Sms_Send)."""

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType, field

from sms.message import MAX_TEXT
from sms.request import TandemOptions, body_and_options
from sms.send import Options, Recipient, Result, SendSms
from telephony.kernel.clock import Clock
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.repeatability import pair_of
from telephony.kernel.http.route import Reply, Request, Route

VERSIONS: Final = (
    "2021-03-07",
    "2024-12-10-preview",
    "2025-05-29-preview",
    "2025-08-01-preview",
    "2025-09-17",
    "2026-01-23",
)
"""2021-03-07 is what azure-communication-sms 1.x and @azure/communication-sms 1.1 send, 2025-05-29-preview
the latter's 1.2 beta; the rest are the published specifications with the same operation."""

MAX_RECIPIENTS: Final = 100
MAX_TAG: Final = 2048
"""Not in the specification; a ceiling so that a tag cannot be a message."""


class SmsRecipient(Struct, frozen=True, rename="camel"):
    """SmsRecipient."""

    to: str
    repeatability_request_id: str | None = None
    repeatability_first_sent: str | None = None


class MessagingConnect(Struct, frozen=True, rename="camel"):
    """MessagingConnectOptions: another provider's account."""

    api_key: str
    partner: str


class SmsSendOptions(Struct, frozen=True, rename="camel"):
    """SmsSendOptions."""

    enable_delivery_report: bool
    tag: Annotated[str, Meta(max_length=MAX_TAG)] | None = None
    delivery_report_timeout_in_seconds: Annotated[int, Meta(ge=60, le=43200)] | None = None
    messaging_connect: MessagingConnect | None = None


class SendMessageRequest(Struct, frozen=True, rename="camel"):
    """SendMessageRequest."""

    from_: Annotated[str, Meta(min_length=1)] = field(name="from")
    sms_recipients: Annotated[tuple[SmsRecipient, ...], Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    message: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    sms_send_options: SmsSendOptions | None = None
    tandem: TandemOptions | None = None
    """Not ACS's: what Tandem adds."""


class SmsSendResponseItem(Struct, frozen=True, rename="camel", omit_defaults=True):
    """SmsSendResponseItem."""

    to: str
    http_status_code: int
    successful: bool
    message_id: str | UnsetType = UNSET
    repeatability_result: str | UnsetType = UNSET
    error_message: str | UnsetType = UNSET


class SmsSendResponse(Struct, frozen=True):
    """SmsSendResponse."""

    value: tuple[SmsSendResponseItem, ...]


def routes(send: SendSms, clock: Clock) -> list[Route]:
    """Return the operations of ACS Sms."""

    async def send_sms(request: Request[SendMessageRequest]) -> Reply:
        body = request.body
        message, options = body_and_options(body.message, body.tandem, _options(body.sms_send_options), clock)
        now = clock.now()
        recipients = [_recipient(index, one, now) for index, one in enumerate(body.sms_recipients)]
        results = await send(request.resource, body.from_, recipients, message, options, request.request_id)
        return Reply(202, SmsSendResponse(tuple(_item(result) for result in results)))

    return [
        Route(
            operation="sms.send",
            method="POST",
            template="/sms",
            handler=send_sms,
            versions=VERSIONS,
            body=SendMessageRequest,
            summary="Send a text, or octets, to up to 100 recipients.",
        )
    ]


def _options(options: SmsSendOptions | None) -> Options:
    if options is None:
        return Options()
    if options.messaging_connect is not None:
        raise InvalidRequest(
            "Messaging Connect names an account at another provider; here every number has its carrier.",
            target="smsSendOptions.messagingConnect",
        )
    return Options(
        options.enable_delivery_report, options.tag, options.delivery_report_timeout_in_seconds or 0
    )


def _recipient(index: int, recipient: SmsRecipient, now: int) -> Recipient:
    target = f"smsRecipients[{index}].repeatability"
    pair = pair_of(
        recipient.repeatability_request_id,
        recipient.repeatability_first_sent,
        now=now,
        id_target=f"{target}RequestId",
        sent_target=f"{target}FirstSent",
    )
    return Recipient(recipient.to, pair)


def _item(result: Result) -> SmsSendResponseItem:
    return SmsSendResponseItem(
        to=result.to,
        http_status_code=result.status,
        successful=result.status == 202,
        message_id=UNSET if result.message_id is None else result.message_id,
        repeatability_result=UNSET if result.repeatability is None else result.repeatability,
        error_message=UNSET if result.error is None else result.error,
    )
