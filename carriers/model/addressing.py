"""How a carrier wants addresses: type of number and numbering plan by kind (SMPP 3.4 §5.2.5, §5.2.6)."""

from typing import Annotated

from msgspec import Meta, Struct

Octet = Annotated[int, Meta(ge=0, le=255)]


class AddressForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one kind of address is written."""

    ton: Octet
    """Type of number: 0 unknown, 1 international, 2 national, 3 network specific, 5 a name, 6 abbreviated."""
    npi: Octet
    """Numbering plan: 0 unknown, 1 E.164, 8 national, 9 private."""
    plus: bool = False
    """Whether the plus of an international number is sent."""


class Addressing(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The forms of a carrier; what is not said is what most take."""

    e164: AddressForm = AddressForm(ton=1, npi=1)
    """Senders that are international numbers."""
    short_code: AddressForm = AddressForm(ton=3, npi=0)
    """Senders of digits without a plus."""
    alphanumeric: AddressForm = AddressForm(ton=5, npi=0)
    """Senders that are names."""
    destination: AddressForm = AddressForm(ton=1, npi=1)
    """Recipients that are international numbers."""
