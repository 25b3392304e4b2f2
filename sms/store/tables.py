"""The tables only messages need; the interaction, the text and the timeline stand in the kernel's."""

from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from telephony.kernel.store import Identifier, Microseconds, metadata
from telephony.kernel.store.schema import EXPIRES, of_interaction

MAX_REPORT: Final = 24
"""Characters kept of what a receipt said."""

parts: Final = Table(
    "message_parts",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("message", Identifier, primary_key=True),
    Column("part", Integer, primary_key=True),  # 1..255
    Column("carrier", String(64), nullable=False),
    Column("remote_id", String(65), nullable=False),  # message_id of submit_sm_resp, SMPP 3.4 §5.2.23
    Column("link", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # submitted | delivered | failed | expired
    Column("submitted", Microseconds, nullable=False),
    Column("reported", Microseconds),
    Column("report", String(MAX_REPORT)),  # what the receipt said: DELIVRD 000
    sqlite_with_rowid=False,
    info=of_interaction("message"),
)
"""One row a part that a carrier took: what a receipt is matched against."""

Index("message_parts_receipt", parts.c.carrier, parts.c.remote_id)

early_receipts: Final = Table(
    "early_receipts",
    metadata,
    Column("carrier", String(64), primary_key=True),
    Column("remote_id", String(65), primary_key=True),
    Column("id", Identifier, primary_key=True),
    Column("receipt", LargeBinary, nullable=False),  # JSON
    Column("expires", Microseconds, nullable=False, index=True),
    sqlite_with_rowid=False,
    info=EXPIRES,
)
"""Receipts that came before the response they belong to; a carrier's, so no resource is known yet."""

parked_receipts: Final = Table(
    "parked_receipts",
    metadata,
    Column("carrier", String(64), primary_key=True),
    Column("link", String(64), primary_key=True),  # whose form is not certain; empty: the carrier's
    Column("id", Identifier, primary_key=True),
    Column("receipt", LargeBinary, nullable=False),  # JSON
    Column("expires", Microseconds, nullable=False, index=True),
    sqlite_with_rowid=False,
    info=EXPIRES,
)
"""Receipts whose ids may be read in more than one way: matched once the form is known, never by a guess."""

receipt_forms: Final = Table(
    "receipt_forms",
    metadata,
    Column("carrier", String(64), primary_key=True),
    Column("link", String(64), primary_key=True),  # empty: of all links without a setting of their own
    Column("setting", String(16), nullable=False),  # a form, or auto
    Column("form", String(16)),  # the form; NULL: not learned yet
    Column("since", Microseconds, nullable=False),  # when it was declared or learned
    Column("pairs", LargeBinary, nullable=False),  # what it was or is learned from, JSON
    Column("addresses", Integer, nullable=False),  # 1: the addresses in receipts are those of the messages
    Column("seen", Microseconds, nullable=False),  # when a receipt last proved the form right
    sqlite_with_rowid=False,
)
"""How each carrier spells ids in receipts: declared, or learned and then kept over restarts."""
