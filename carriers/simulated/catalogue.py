"""The profiles by name, and the table of the reference."""

from difflib import get_close_matches
from typing import Final

from carriers.simulated.profiles import Profile, TextForm
from carriers.simulated.spelling import Spelling
from sms.smpp.constants import CommandStatus
from telephony.kernel.errors import ConfigurationError

EVERY: Final = 20
"""submit_sm between two misbehaviours that end a connection."""

_IDS: Final = (
    Profile(
        "receipt-ids-decimal",
        "response ids are hexadecimal, receipts repeat them in decimal",
        receipt_id=Spelling.DECIMAL,
    ),
    Profile(
        "receipt-ids-hex",
        "response ids are decimal, receipts repeat them in hexadecimal",
        response_id=Spelling.DECIMAL,
    ),
    Profile(
        "receipt-ids-padded",
        "response ids are decimal, receipts have zeros in front",
        response_id=Spelling.DECIMAL,
        receipt_id=Spelling.DECIMAL_PADDED,
    ),
    Profile(
        "receipt-ids-stripped",
        "response ids are decimal with zeros in front, receipts leave the zeros out",
        response_id=Spelling.DECIMAL_PADDED,
        receipt_id=Spelling.DECIMAL,
    ),
    Profile(
        "receipt-ids-upper",
        "response ids are in lower case, receipts in upper",
        receipt_id=Spelling.HEX_UPPER,
    ),
    Profile(
        "receipt-ids-lower",
        "response ids are in upper case, receipts in lower",
        response_id=Spelling.HEX_UPPER,
    ),
    Profile(
        "receipt-ids-hex-padded",
        "response ids are decimal, receipts in hexadecimal, upper case, with zeros in front",
        response_id=Spelling.DECIMAL,
        receipt_id=Spelling.HEX_UPPER_PADDED,
    ),
    Profile(
        "receipt-ids-decimal-padded",
        "response ids are hexadecimal with zeros in front, receipts in decimal with zeros in front",
        response_id=Spelling.HEX_PADDED,
        receipt_id=Spelling.DECIMAL_PADDED,
    ),
    Profile(
        "receipt-ids-text-decimal",
        "receipts have the response's id in their parameter, and in their text its decimal form",
        receipt_id=Spelling.DECIMAL,
        receipt_tlv_id=Spelling.HEX,
    ),
)

_RECEIPTS: Final = (
    Profile("receipt-text-only", "receipts are text, without parameters", receipt_tlvs=False),
    Profile("receipt-tlvs-only", "receipts are parameters, without text", receipt_text=False),
    Profile("receipt-in-payload", "a receipt's text stands in message_payload", receipt_in_payload=True),
    Profile("receipt-unflagged", "receipts have esm_class 0, as messages have", receipt_unflagged=True),
    Profile("receipts-twice", "sends each receipt twice", receipts=2),
    Profile("receipts-out-of-order", "sends receipts in another order", receipts_shuffled=True),
    Profile(
        "receipt-of-last-part",
        "of the parts of a long text only the last gets a receipt",
        receipt_of_last_part=True,
    ),
    Profile(
        "receipt-intermediate",
        "sends ENROUTE as an intermediate notification before the final receipt",
        receipt_intermediate=True,
    ),
    Profile(
        "receipt-before-response",
        "sends each receipt before the response to its submit_sm",
        receipt_first=True,
    ),
)

_RESPONSES: Final = (
    Profile(
        "throttling",
        "takes 20 submit_sm a second (`per_second` of the account changes it) and answers the rest "
        "ESME_RTHROTTLED (0x58)",
        per_second=20.0,
    ),
    Profile(
        "throttled-now-and-then",
        "answers every third submit_sm ESME_RTHROTTLED (0x58)",
        refuse_every=3,
        refusal=CommandStatus.ESME_RTHROTTLED,
    ),
    Profile(
        "queue-full",
        "answers every third submit_sm ESME_RMSGQFUL (0x14)",
        refuse_every=3,
        refusal=CommandStatus.ESME_RMSGQFUL,
    ),
    Profile(
        "system-errors",
        "answers every third submit_sm ESME_RSYSERR (0x08)",
        refuse_every=3,
        refusal=CommandStatus.ESME_RSYSERR,
    ),
    Profile(
        "nacks",
        "answers every third submit_sm by generic_nack with ESME_RSYSERR (0x08)",
        refuse_every=3,
        refusal=CommandStatus.ESME_RSYSERR,
        nack=True,
    ),
    Profile(
        "out-of-service",
        "answers every submit_sm ESME_RSYSERR (0x08)",
        refuse_every=1,
        refusal=CommandStatus.ESME_RSYSERR,
    ),
    Profile("never-answers", "takes every submit_sm and answers none", lose_every=1),
    Profile("responses-lost", "takes every fifth submit_sm and does not answer it", lose_every=5),
    Profile("responses-out-of-order", "answers in another order", responses_shuffled=True),
    Profile("responses-twice", "sends each response twice", responses_twice=True),
)

_CONNECTION: Final = (
    Profile("binds-refused", "refuses the first two binds with ESME_RBINDFAIL (0x0D)", refused_binds=2),
    Profile("closed", "refuses every bind with ESME_RBINDFAIL (0x0D)", refused_binds=1 << 30),
    Profile(
        "messages-before-bind-response",
        "delivers what waits before it answers the bind",
        early_messages=True,
    ),
    Profile("unbinds", f"unbinds after every {EVERY} submit_sm, whatever is unanswered", unbind_every=EVERY),
    Profile(
        "drops",
        f"cuts the connection in the middle of every {EVERY}th response",
        drop_every=EVERY,
    ),
    Profile(
        "trips",
        "cuts the connection at each submit_sm whose text has `poison` in it, and does not take it",
        poison=b"poison",
    ),
    Profile("deaf", f"reads nothing more after {EVERY} submit_sm and keeps the connection", deaf_after=EVERY),
    Profile("mute", "accepts the bind and then answers nothing, enquire_link neither", mute=True),
    Profile("slow-reader", "reads nothing for 20 ms after each read", slow_seconds=0.02),
    Profile("split-pdus", "sends each octet by itself", split=True),
    Profile("enquire-link-flood", "sends 20 enquire_link after each response", enquiries=20),
    Profile(
        "noise",
        "sends broken and unknown PDUs, alert_notification and answers to nothing between the others",
        noise=True,
    ),
    Profile(
        "vendor-tlvs",
        "has parameters of its own (0x1400 twice, 0x3FFF) in responses, receipts and texts",
        vendor_tlvs=True,
    ),
)

_TEXTS: Final = (
    Profile("texts-twice", "delivers each text from a handset twice", texts=2),
    Profile("parts-reversed", "delivers the parts of a long text last part first", parts_reversed=True),
    Profile("texts-16-bit", "long texts come with 16-bit references", text_form=TextForm.UDH_16),
    Profile("texts-sar", "long texts come in parts with sar_* parameters", text_form=TextForm.SAR),
    Profile("texts-payload", "texts come whole, in message_payload", text_form=TextForm.PAYLOAD),
    Profile("data-sm", "receipts and texts come by data_sm", by_data_sm=True),
)

PROFILES: Final[dict[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile("plain", "does what SMPP 3.4 says, as fast as it can"),
        *_IDS,
        *_RECEIPTS,
        *_RESPONSES,
        *_CONNECTION,
        *_TEXTS,
    )
}


def profile_named(name: str, *, key: str) -> Profile:
    """Return the profile; raises ConfigurationError naming `key` and the nearest known profile."""
    profile = PROFILES.get(name)
    if profile is None:
        near = get_close_matches(name, PROFILES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(PROFILES)}."
        raise ConfigurationError(f"{key}: no profile is named {name!r}; {hint}", target=key)
    return profile


def profile_table() -> str:
    """Return the profiles as the Markdown table of the reference."""
    rows = ["| profile | what it does |", "|---|---|"]
    rows += [f"| `{profile.name}` | {profile.summary} |" for profile in PROFILES.values()]
    return "\n".join(rows) + "\n"
