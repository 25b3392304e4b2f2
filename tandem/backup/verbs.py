"""`backup` and `restore`: what goes into the file, and what is looked at before anything is put anywhere."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tandem import __version__
from tandem.backup.archive import (
    FORMAT,
    Damaged,
    Manifest,
    TableMember,
    member_of,
    read_archive,
    write_archive,
)
from tandem.backup.database import (
    check_sqlite,
    has_tables,
    kind_of,
    load_postgresql,
    save_postgresql,
    save_sqlite,
    sqlite_file,
)
from tandem.backup.sealing import COST
from tandem.config.tree import Configuration
from tandem.first_start import Keepsakes
from tandem.migrations import known_revisions
from tandem.seat import take_seat
from tandem.tls import Files
from telephony.kernel.clock import Clock, to_iso
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret
from telephony.resources.seal import MasterKeys

DATABASE: Final = "database.sqlite3"
MASTER_KEY: Final = "files/master-key"
TABLES: Final = "tables"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a backup holds."""

    manifest: Manifest
    size: int
    """Bytes of the file."""


def backup(
    configuration: Configuration,
    target: Path,
    passphrase: Secret | None,
    clock: Clock,
    *,
    cost: int = COST,
) -> Summary:
    """Write everything that the node cannot do without into `target`; gateways may run meanwhile. Blocks.

    Raises ConfigurationError; then there is no `target`.
    """
    if target.exists():
        raise ConfigurationError(f"{target} exists; choose another name.")
    url = configuration.database_url()
    with _working_folder(target.parent, f".{target.name}.") as folder:
        files: dict[str, Path] = {}
        tables: list[TableMember] = []
        if kind_of(url) == "sqlite":
            revision = save_sqlite(url, folder / DATABASE)
            files[DATABASE] = folder / DATABASE
        else:
            (folder / TABLES).mkdir()
            revision, tables = save_postgresql(url, folder / TABLES)
            files |= {f"{TABLES}/{each.name}.copy": folder / TABLES / f"{each.name}.copy" for each in tables}
        # After the database: whatever it was sealed by is in the file by now.
        master = _master_key_text(configuration)
        kept = folder / "master-key"
        kept.write_text(master.reveal())
        files[MASTER_KEY] = kept
        files |= {name: path for name, path in _keepsakes(configuration).items() if path.exists()}
        manifest = Manifest(
            FORMAT,
            __version__,
            to_iso(clock.now()),
            "sqlite" if kind_of(url) == "sqlite" else "postgresql",
            revision,
            MasterKeys.parse(master).ids,
            {name: member_of(path) for name, path in files.items()},
            tuple(tables),
        )
        write_archive(target, manifest, files, passphrase, cost=cost)
    return Summary(manifest, target.stat().st_size)


def restore(configuration: Configuration, source: Path, passphrase: Secret | None) -> Manifest:
    """Put back what `backup` wrote, where nothing is yet. Blocks.

    Raises ConfigurationError when anything would be overwritten, a gateway runs there, the backup is of a
    newer version or of the other kind of database, damaged, or its master key does not fit. Nothing was
    put anywhere then, except that PostgreSQL may have empty tables.
    """
    url = configuration.database_url()
    try:
        configuration.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"data: the folder {configuration.data} cannot be made: {error.strerror}."
        ) from error
    seat = take_seat(configuration.data)
    try:
        _refuse_to_overwrite(configuration, url)
        with _working_folder(configuration.data, ".restore.") as folder:
            manifest = read_archive(source, folder, passphrase)
            _check(configuration, url, manifest, folder)
            if manifest.database == "postgresql":
                load_postgresql(url, folder / TABLES, manifest.revision, manifest.tables)
            _put(configuration, url, manifest, folder)
    finally:
        seat.release()
    return manifest


def _keepsakes(configuration: Configuration) -> dict[str, Path]:
    """Return the files beside database and master key, by their names inside."""
    certificates = Files(configuration.data)
    return {
        "files/ca.pem": certificates.authority,
        "files/ca-key.pem": certificates.authority_key,
        "files/admin-key": Keepsakes(configuration.data).admin_key,
    }


def _places(configuration: Configuration, url: str) -> dict[str, Path]:
    """Return where each file inside goes to."""
    places = _keepsakes(configuration)
    if kind_of(url) == "sqlite":
        places[DATABASE] = sqlite_file(url)
    if not configuration.master_key:
        places[MASTER_KEY] = configuration.master_key_path()
    return places


def _master_key_text(configuration: Configuration) -> Secret:
    if configuration.master_key:
        return configuration.master_key
    path = configuration.master_key_path()
    try:
        return Secret(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: the master key cannot be read: {error}.") from error


def _refuse_to_overwrite(configuration: Configuration, url: str) -> None:
    there = [path for path in _places(configuration, url).values() if path.exists()]
    if there:
        raise ConfigurationError(
            f"{there[0]} exists: a backup is restored where nothing is yet. Give another data folder"
            " (--data), or move it away."
        )
    if kind_of(url) == "postgresql" and has_tables(url):
        raise ConfigurationError("The database has tables already: a backup is restored into an empty one.")


def _check(configuration: Configuration, url: str, manifest: Manifest, folder: Path) -> None:
    if manifest.database != kind_of(url):
        raise ConfigurationError(
            f"The backup is of {manifest.database}, the configured database is {kind_of(url)} (database)."
        )
    if manifest.revision not in known_revisions():
        raise ConfigurationError(
            f"The backup's database is at revision {manifest.revision}, written by Tandem {manifest.version};"
            " this version does not know it. Use that version, or a newer one."
        )
    keys = _restored_keys(folder)
    if keys.ids != manifest.master_keys:
        raise Damaged("The master key is not the one that the manifest names.")
    if configuration.master_key:
        own = MasterKeys.parse(configuration.master_key)
        if not set(own.ids) >= set(manifest.master_keys):
            raise ConfigurationError(
                "master_key: it is not the one that sealed the backup's keys. Set that one, or leave it out"
                " to use the one in the backup."
            )
    if manifest.database == "sqlite":
        check_sqlite(folder / DATABASE)


def _restored_keys(folder: Path) -> MasterKeys:
    path = folder / MASTER_KEY
    try:
        return MasterKeys.parse(Secret(path.read_text("ascii")))
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged("The backup holds no master key.") from error


def _put(configuration: Configuration, url: str, manifest: Manifest, folder: Path) -> None:
    """Move the files to their places; the database last, so that what is not whole does not look so."""
    places = _places(configuration, url)
    for name in sorted(manifest.members.keys() & places.keys(), key=lambda name: name == DATABASE):
        place = places[name]
        place.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".pem") and "key" not in name:
            (folder / name).chmod(0o644)
        # Perhaps another file system, where a rename is none.
        part = place.with_name(place.name + ".part")
        part.unlink(missing_ok=True)
        shutil.move(folder / name, part)
        part.replace(place)
        _sync(place.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _working_folder(beside: Path, prefix: str) -> Iterator[Path]:
    """Make a folder for its owner alone, on the disk where the files will lie, and remove it again."""
    try:
        with tempfile.TemporaryDirectory(prefix=prefix, dir=beside) as name:
            yield Path(name)
    except OSError as error:
        raise ConfigurationError(f"{beside}: {error.strerror or error}.") from error
