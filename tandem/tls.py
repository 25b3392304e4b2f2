"""Certificates: a local authority made at first start, and a leaf naming every authority of ours.

Clients trust `ca.pem` (REQUESTS_CA_BUNDLE, SSL_CERT_FILE, NODE_EXTRA_CA_CERTS). Python 3.13 checks
certificates by RFC 5280 to the letter, so every extension stands there: basic constraints and key usage
critical, key identifiers on both.
"""

import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from telephony.kernel.clock import SECOND, Clock
from telephony.kernel.errors import ConfigurationError
from telephony.resources.authority import host_of

log = structlog.get_logger(__name__)

CA_LIFE: Final = timedelta(days=20 * 365)
"""It stands in clients' trust stores, where nobody renews it."""

LEAF_LIFE: Final = timedelta(days=397)
"""What Apple's and Chromium's clients take at most is 398 days."""

RENEW_BEFORE: Final = timedelta(days=30)
BACKDATED: Final = timedelta(hours=1)
"""Clients' clocks are late now and then."""

ALWAYS: Final = ("127.0.0.1", "localhost", "::1")
"""Names that every leaf has."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where the certificates lie. With an operator's own pair, no authority is made."""

    data: Path
    certificate: Path | None = None
    key: Path | None = None

    @property
    def authority(self) -> Path:
        """What clients trust."""
        return self.data / "ca.pem"

    @property
    def authority_key(self) -> Path:
        return self.data / "ca-key.pem"

    @property
    def leaf(self) -> Path:
        return self.data / "server.pem"

    @property
    def leaf_key(self) -> Path:
        return self.data / "server-key.pem"


class Certificates:
    """The server's certificate, renewed while it runs: new connections get the new one."""

    def __init__(self, files: Files, clock: Clock) -> None:
        if (files.certificate is None) != (files.key is None):
            raise ConfigurationError(
                "certificate and certificate_key: A certificate of your own needs its key, and the key its "
                "certificate.",
                target="certificate",
            )
        self._files, self._clock = files, clock
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.set_alpn_protocols(["http/1.1"])

    @property
    def path(self) -> Path:
        """The file of the certificate in force."""
        return self._files.certificate or self._files.leaf

    def context(self, authorities: Iterable[str]) -> ssl.SSLContext:
        """Return the server's context with a certificate for `authorities`. Raises ConfigurationError."""
        self._renew(authorities)
        self._load()
        return self._context

    def refresh(self, authorities: Iterable[str]) -> bool:
        """Renew the certificate when authorities changed or its end is near, and say whether it was.

        Call it after a change and once a day. An operator's own files are read again instead.
        """
        renewed = self._renew(authorities)
        if renewed or self._files.certificate is not None:
            self._load()
        return renewed

    def _renew(self, authorities: Iterable[str]) -> bool:
        if self._files.certificate is not None:
            return False
        return ensure_leaf(self._files, authorities, _moment(self._clock))

    def _load(self) -> None:
        certificate, key = (
            self._files.certificate or self._files.leaf,
            self._files.key or self._files.leaf_key,
        )
        try:
            self._context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            setting = "" if self._files.certificate is None else "certificate and certificate_key: "
            raise ConfigurationError(
                f"{setting}{certificate}, {key}: they cannot be used as a certificate: {error}",
                target="certificate" if setting else None,
            ) from error


def ensure_authority(files: Files, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the local authority, made when it is missing. Raises ConfigurationError when it is damaged."""
    if files.authority.exists() and files.authority_key.exists():
        try:
            certificate = x509.load_pem_x509_certificate(files.authority.read_bytes())
            key = serialization.load_pem_private_key(files.authority_key.read_bytes(), None)
        except ValueError as error:
            raise ConfigurationError(
                f"{files.authority}: the local authority is damaged; remove it and its key."
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ConfigurationError(
                f"{files.authority}: it does not belong to {files.authority_key}; remove both."
            )
        if certificate.not_valid_after_utc > now + RENEW_BEFORE:
            return certificate, key
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Tandem local authority {os.urandom(4).hex()}")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key.public_key(), now, now + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    _write(files.authority_key, _pem(key), 0o600)
    _write(files.authority, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    log.info("tls.authority_made", file=str(files.authority))
    return certificate, key


def ensure_leaf(files: Files, authorities: Iterable[str], now: datetime) -> bool:
    """Make the server's certificate if it is missing, lacks a name or ends soon; say whether it was made."""
    names = dict.fromkeys((*ALWAYS, *sorted(host_of(authority) for authority in authorities)))
    issuer, issuer_key = ensure_authority(files, now)
    if _still_good(files, set(names), issuer, now):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(
            _name("Tandem"),
            issuer.subject,
            key.public_key(),
            now,
            min(now + LEAF_LIFE, issuer.not_valid_after_utc),
        )
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_identifier), critical=False
        )
        .sign(issuer_key, hashes.SHA256())
    )
    _write(files.leaf_key, _pem(key), 0o600)
    _write(files.leaf, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    log.info("tls.certificate_made", names=list(names), until=certificate.not_valid_after_utc.isoformat())
    return True


def _still_good(files: Files, names: set[str], issuer: x509.Certificate, now: datetime) -> bool:
    if not files.leaf.exists() or not files.leaf_key.exists():
        return False
    try:
        leaf = x509.load_pem_x509_certificate(files.leaf.read_bytes())
        key = serialization.load_pem_private_key(files.leaf_key.read_bytes(), None)
        leaf.verify_directly_issued_by(issuer)
        listed = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception as error:  # whatever is wrong with it, a new one is the remedy
        log.warning("tls.certificate_unusable", error=type(error).__name__)
        return False
    found = {str(item.value) for item in listed}
    return (
        names <= found
        and leaf.public_key() == key.public_key()
        and leaf.not_valid_after_utc > now + RENEW_BEFORE
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tandem"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all, with its mode from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _moment(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now() // SECOND, UTC)
