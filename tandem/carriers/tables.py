"""The table of carriers. They are the operator's, so its key has no resource."""

from typing import Final

from sqlalchemy import Column, Integer, LargeBinary, String, Table

from telephony.kernel.store.schema import Microseconds, metadata

MAX_NAME: Final = 64
"""Characters of a carrier's name, and of the name of its file."""

carriers: Final = Table(
    "carriers",
    metadata,
    Column("name", String(MAX_NAME), primary_key=True),
    Column("file", String(MAX_NAME), nullable=False),  # of the folder, which owns it; empty: the API does
    Column("version", Integer, nullable=False),  # counts its changes
    Column("sealed", LargeBinary, nullable=False),  # the document, JSON: passwords may stand in it
    Column("updated", Microseconds, nullable=False),
)
"""One row a carrier. One that is gone and comes back has another `updated`, if not another version."""


def document_place(name: str) -> bytes:
    """Return what a sealed document is bound to: in another row it does not open."""
    return b"carrier\0" + name.encode()
