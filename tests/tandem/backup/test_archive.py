"""A backup's file holds what its manifest says, and nothing is put anywhere else."""

import gzip
import io
import tarfile
from pathlib import Path

import msgspec
import pytest

from tandem.backup.archive import (
    FORMAT,
    Damaged,
    Manifest,
    Member,
    is_sealed,
    member_of,
    read_archive,
    write_archive,
)
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret

pytestmark = pytest.mark.wire

PASSPHRASE = Secret("correct horse battery")
TEXT = b"what is kept\n" * 10_000


def manifest(**members: Member) -> Manifest:
    named = {name.replace("_", "/"): member for name, member in members.items()}
    return Manifest(FORMAT, "0.1.0", "2026-01-01T00:00:00+00:00", "sqlite", "0001", ("key",), named)


def packed(path: Path, *entries: tuple[str | tarfile.TarInfo, bytes]) -> Path:
    with gzip.open(path, "wb") as file, tarfile.open(mode="w|", fileobj=file) as tar:
        for name, content in entries:
            entry = tarfile.TarInfo(name) if isinstance(name, str) else name
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_what_is_written_is_read_again_and_belongs_to_its_owner(
    tmp_path: Path, passphrase: Secret | None
) -> None:
    source, target, folder = tmp_path / "text", tmp_path / "backup", tmp_path / "out"
    source.write_bytes(TEXT)
    folder.mkdir()
    whole = manifest(files_text=member_of(source))
    write_archive(target, whole, {"files/text": source}, passphrase, cost=2)
    assert target.stat().st_mode & 0o777 == 0o600
    assert is_sealed(target) is (passphrase is not None)
    assert read_archive(target, folder, passphrase) == whole
    assert (folder / "files" / "text").read_bytes() == TEXT
    assert (folder / "files" / "text").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "out", "text"]
    with pytest.raises(ConfigurationError, match="exists"):
        write_archive(target, whole, {"files/text": source}, passphrase, cost=2)


def test_a_sealed_backup_needs_its_passphrase(tmp_path: Path) -> None:
    write_archive(tmp_path / "backup", manifest(), {}, PASSPHRASE, cost=2)
    with pytest.raises(ConfigurationError, match="--passphrase-file"):
        read_archive(tmp_path / "backup", tmp_path, None)
    with pytest.raises(ConfigurationError, match="wrong"):
        read_archive(tmp_path / "backup", tmp_path, Secret("another"))


def test_what_is_not_as_the_manifest_says_is_refused(tmp_path: Path) -> None:
    good = member_of(_file(tmp_path / "text", TEXT))
    told = msgspec.json.encode(manifest(files_text=good))
    link = tarfile.TarInfo("files/text")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    outside = msgspec.json.encode(
        Manifest(FORMAT, "", "", "sqlite", "0001", (), {"../text": good, "/tmp/text": good})
    )
    newer = msgspec.json.encode({"format": FORMAT + 1, "surprise": True})
    cases: dict[str, list[tuple[str | tarfile.TarInfo, bytes]]] = {
        "nothing": [],
        "no manifest": [("files/text", TEXT)],
        "no JSON": [("manifest.json", b"{")],
        "too long a manifest": [("manifest.json", bytes(2 * 1024 * 1024))],
        "a newer format": [("manifest.json", newer)],
        "a missing file": [("manifest.json", told)],
        "another length": [("manifest.json", told), ("files/text", TEXT[1:])],
        "another content": [("manifest.json", told), ("files/text", b"?" + TEXT[1:])],
        "a file too many": [("manifest.json", told), ("files/text", TEXT), ("files/more", b"")],
        "a file twice": [("manifest.json", told), ("files/text", TEXT), ("files/text", TEXT)],
        "a link": [("manifest.json", told), (link, b"")],
        "a way out": [("manifest.json", outside), ("../text", TEXT)],
        "a place of its own": [("manifest.json", outside), ("/tmp/text", TEXT)],
    }
    for name, entries in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        with pytest.raises(ConfigurationError):
            read_archive(packed(tmp_path / "archive", *entries), folder, None)
        assert not (tmp_path / name / "more").exists()
    assert not (tmp_path.parent / "text").exists()


def test_half_a_file_or_another_one_is_refused(tmp_path: Path) -> None:
    source = _file(tmp_path / "text", bytes(range(256)) * 4000)
    write_archive(tmp_path / "backup", manifest(files_text=member_of(source)), {"files/text": source}, None)
    raw = (tmp_path / "backup").read_bytes()
    for place, wrong in enumerate((b"", b"hello", raw[: len(raw) // 2], raw[:-8] + b"12345678")):
        folder = tmp_path / str(place)
        folder.mkdir()
        with pytest.raises(Damaged):
            read_archive(_file(tmp_path / "wrong", wrong), folder, None)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_archive(tmp_path / "nowhere", tmp_path, None)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_archive(tmp_path / "no" / "backup", manifest(), {}, None)


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
