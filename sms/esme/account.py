"""Accounts of those who bind to us, as data."""

import re
import secrets
import string
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from carriers.model.networks import Networks
from carriers.model.smpp import MAX_PASSWORD, Window
from sms.smpp.gate import Account
from sms.smpp.states import BindType
from sms.text.alphabet import Default
from telephony.kernel import ids
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.secret import Secret

MAX_SYSTEM_ID: Final = 15
"""Octets of a system_id without its NUL (SMPP 3.4 §5.2.1)."""

MAX_ADDRESSES: Final = 100
"""Networks an account may list: each bind is compared to all of them."""

PASSWORD_ALPHABET: Final = string.ascii_letters + string.digits
"""47 bits in eight characters; the gate refuses whoever tries ten wrong ones."""

_HEX_ID: Final = re.compile(r"[0-9A-Fa-f]{32}")
_DECIMAL_ID: Final = re.compile(r"[0-9]{1,39}", re.ASCII)

IdForm = Literal["hex", "decimal", "guid"]
"""How our message ids are spelled: 32 hexadecimal digits, up to 39 decimal ones, or 8-4-4-4-12."""

SystemId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$")]
BindKind = Literal["transmitter", "receiver", "transceiver"]


class AccountSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """What is agreed with whoever binds. Stands in the store as JSON."""

    kind: Literal["customer", "carrier"] = "customer"
    """A customer sends from numbers of its resource; a carrier brings messages to the carrier's numbers."""
    carrier: Annotated[str, Meta(max_length=64)] = ""
    """Of a carrier's account: which one."""
    addresses: Annotated[tuple[str, ...], Meta(max_length=MAX_ADDRESSES)] = ()
    """Addresses and networks it may bind from. Empty: none."""
    binds: Annotated[tuple[BindKind, ...], Meta(min_length=1)] = ("transmitter", "receiver", "transceiver")
    """How it may bind."""
    max_binds: Annotated[int, Meta(ge=1, le=100)] = 4
    """At once, over all gateways of the database."""
    window: Window = 100
    """deliver_sm that may be unanswered on one bind."""
    per_second: Annotated[float, Meta(gt=0)] | None = None
    """submit_sm and data_sm a second, over all gateways of the database; unset: any number."""
    daily_quota: Annotated[int, Meta(ge=1)] | None = None
    """submit_sm a day (UTC); unset: any number."""
    ids: IdForm = "hex"
    """How message ids are spelled, in responses and in receipts alike."""
    receipt_text: bool = True
    """Whether receipts have the text of SMPP 3.4 Appendix B."""
    receipt_tlvs: bool = True
    """Whether receipts have receipted_message_id and message_state (§5.3.2.12, §5.3.2.35)."""
    data_coding_default: Default = "gsm"
    """What data_coding 0 means in its submit_sm."""
    certificate: Annotated[str, Meta(max_length=64)] = ""
    """A name (CN or DNS) that its client certificate must have: needs `smpp_server.tls.client_ca`. Empty: any
    or none."""
    inbound: bool = False
    """Whether messages to the resource's numbers are delivered to it as well."""
    enabled: bool = True
    """Whether it may bind."""

    def check(self) -> None:
        """Raises InvalidRequest for what does not fit together."""
        try:
            Networks(self.addresses)
        except ValueError as error:
            raise InvalidRequest(f"addresses: {error}", target="addresses") from error
        if (self.kind == "carrier") != bool(self.carrier):
            raise InvalidRequest("carrier: needed for a carrier's account, and only there.", target="carrier")
        if self.kind == "carrier" and self.inbound:
            raise InvalidRequest("inbound: a carrier brings messages, it gets none.", target="inbound")
        if not (self.receipt_text or self.receipt_tlvs):
            raise InvalidRequest("receiptText, receiptTlvs: one at least is needed.", target="receiptText")


@dataclass(frozen=True, slots=True)
class EsmeAccount:
    """An account in force."""

    resource: ResourceId
    system_id: str
    settings: AccountSettings
    gate: Account
    """What the gate asks for."""
    version: int


def esme_account(
    resource: ResourceId, system_id: str, password: Secret, settings: AccountSettings, version: int
) -> EsmeAccount:
    """Return an account that the gate can use."""
    gate = Account(
        system_id=system_id,
        password=password,
        addresses=Networks(settings.addresses),
        binds=frozenset(BindType(kind) for kind in settings.binds),
        max_binds=settings.max_binds,
        per_second=settings.per_second,
        window=settings.window,
        certificate=settings.certificate,
    )
    return EsmeAccount(resource, system_id, settings, gate, version)


def new_password() -> Secret:
    """Return a random password of the eight octets that SMPP allows."""
    return Secret("".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(MAX_PASSWORD)))


def check_password(password: str) -> Secret:
    """Return a password that somebody chose. Raises InvalidRequest for one that SMPP cannot carry."""
    if not (1 <= len(password) <= MAX_PASSWORD and password.isascii() and password.isprintable()):
        raise InvalidRequest(
            f"password: 1 to {MAX_PASSWORD} printable ASCII characters (SMPP 3.4 §5.2.2).", target="password"
        )
    return Secret(password)


def spell_id(identifier: bytes, form: IdForm) -> str:
    """Return a message id as an account reads it; at most 39 characters."""
    if form == "hex":
        return identifier.hex()
    return str(int.from_bytes(identifier, "big")) if form == "decimal" else ids.to_text(identifier)


def read_id(text: str, form: IdForm) -> InteractionId | None:
    """Return the message id that an account spelled so; None when it is none."""
    if form == "guid":
        found = ids.from_text(text)
    elif form == "hex":
        found = bytes.fromhex(text) if _HEX_ID.fullmatch(text) else None
    else:
        number = int(text) if _DECIMAL_ID.fullmatch(text) else 1 << 128
        found = number.to_bytes(16, "big") if number < 1 << 128 else None
    return None if found is None else InteractionId(found)
