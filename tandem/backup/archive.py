"""A backup's file: a compressed tar, its manifest first, perhaps under a passphrase.

The manifest says what wrote it, of which schema the database is, and length and SHA-256 of every member.
Whatever is not as it says is refused; nothing is unpacked outside the folder it goes to.
"""

import gzip
import hashlib
import io
import os
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final, Literal, cast

import msgspec
from msgspec import Struct

from tandem.backup.sealing import COST, MAGIC, SealedReader, SealedWriter
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret

FORMAT: Final = 1

MANIFEST: Final = "manifest.json"

MAX_MANIFEST: Final = 1024 * 1024
"""Bytes; it has a line for each table."""

LEVEL: Final = 1
"""Of compression: half the size at the speed of a disk."""

PIECE: Final = 1024 * 1024

_NAME: Final = re.compile(r"(?:[a-z0-9-]+/)?[a-z0-9_.-]*[a-z0-9_-]")
_GZIP: Final = b"\x1f\x8b"


class Damaged(ConfigurationError):
    """The file is no backup, or not as it was written."""


class Member(Struct, frozen=True, forbid_unknown_fields=True):
    """A file inside."""

    size: int
    sha256: str


class TableMember(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of PostgreSQL inside, in COPY's text format."""

    name: str
    columns: tuple[str, ...]
    rows: int


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup says of itself."""

    format: int
    version: str
    """Of the program that wrote it."""
    created: str
    database: Literal["sqlite", "postgresql"]
    revision: str
    """Of the schema."""
    master_keys: tuple[str, ...]
    """Their ids, the one that seals last."""
    members: dict[str, Member]
    tables: tuple[TableMember, ...] = ()


def member_of(path: Path) -> Member:
    """Return length and digest of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            size += len(piece)
    return Member(size, digest.hexdigest())


def write_archive(
    target: Path,
    manifest: Manifest,
    files: Mapping[str, Path],
    passphrase: Secret | None,
    *,
    cost: int = COST,
) -> None:
    """Write `target`, whole or not at all, readable by its owner alone. Raises ConfigurationError."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            with ExitStack() as stack:
                out: BinaryIO = file
                if passphrase is not None:
                    sealed = stack.enter_context(SealedWriter(file, passphrase, cost=cost))
                    out = stack.enter_context(io.BufferedWriter(sealed, PIECE))
                packed = stack.enter_context(gzip.GzipFile("", "wb", LEVEL, out, mtime=0))
                tar = stack.enter_context(tarfile.open(mode="w|", fileobj=packed, format=tarfile.PAX_FORMAT))
                _add(tar, MANIFEST, io.BytesIO(raw := msgspec.json.encode(manifest)), len(raw))
                for name, path in files.items():
                    with path.open("rb") as content:
                        _add(tar, name, content, manifest.members[name].size)
            file.flush()
            os.fsync(file.fileno())
        # Two backups at once to one name: the second says so instead of taking the first one's place.
        os.link(part, target)
    except FileExistsError:
        raise ConfigurationError(f"{target} exists; choose another name.") from None
    except OSError as error:
        raise ConfigurationError(f"{target}: it cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)


def read_archive(source: Path, folder: Path, passphrase: Secret | None) -> Manifest:
    """Unpack `source` into the empty `folder` and return its manifest; everything was checked.

    Raises Damaged, NotOpened, ConfigurationError.
    """
    with _opened(source, passphrase) as stream:
        try:
            with tarfile.open(mode="r|", fileobj=stream) as tar:
                manifest = _unpack(tar, folder)
            while stream.read(PIECE):  # to the checksum at the end
                pass
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Damaged(f"{source}: it is no backup, or it is damaged: {error}") from error
        return manifest


@contextmanager
def _opened(source: Path, passphrase: Secret | None) -> Iterator[IO[bytes]]:
    with ExitStack() as stack:
        try:
            file: BinaryIO = stack.enter_context(source.open("rb"))
        except OSError as error:
            raise ConfigurationError(f"{source}: it cannot be read: {error.strerror}.") from error
        beginning = file.read(len(MAGIC))
        file.seek(0)
        if beginning == MAGIC:
            if passphrase is None:
                raise ConfigurationError(f"{source}: it is sealed by a passphrase; see --passphrase-file.")
            file = stack.enter_context(io.BufferedReader(SealedReader(file, passphrase), PIECE))
        elif not beginning.startswith(_GZIP):
            raise Damaged(f"{source}: it is no backup.")
        yield cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=file, mode="rb")))


def _add(tar: tarfile.TarFile, name: str, content: BinaryIO, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    tar.addfile(entry, content)


def _unpack(tar: tarfile.TarFile, folder: Path) -> Manifest:
    manifest: Manifest | None = None
    left: dict[str, Member] = {}
    for entry in tar:
        content = tar.extractfile(entry) if entry.isreg() else None
        if content is None:
            raise Damaged(f"{entry.name}: a backup holds plain files only.")
        if manifest is None:
            if entry.name != MANIFEST or entry.size > MAX_MANIFEST:
                raise Damaged("The manifest is missing: it is no backup.")
            manifest = _manifest(content.read(MAX_MANIFEST))
            left = dict(manifest.members)
            continue
        member = left.pop(entry.name, None)
        if member is None or _NAME.fullmatch(entry.name) is None or entry.size != member.size:
            raise Damaged(f"{entry.name}: the manifest says something else of it.")
        path = folder / entry.name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _copy(content, path, member)
    if manifest is None or left:
        raise Damaged(f"It is not whole: {', '.join(sorted(left)) or 'everything'} is missing.")
    return manifest


def _manifest(raw: bytes) -> Manifest:
    try:
        version = msgspec.json.decode(raw, type=_Version).format
        if version != FORMAT:
            raise ConfigurationError(
                f"The backup's format is {version}; this version of Tandem knows {FORMAT}. Use the version"
                " that wrote it, or a newer one."
            )
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise Damaged(f"The manifest is damaged: {error}") from error


class _Version(Struct, frozen=True):
    format: int


def _copy(content: IO[bytes], path: Path, member: Member) -> None:
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := content.read(PIECE):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != member.sha256:
        raise Damaged(f"{path.name}: it is damaged: its checksum is another.")


def is_sealed(source: Path) -> bool:
    """Tell whether a file is sealed by a passphrase; False also when it cannot be read."""
    try:
        with source.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
