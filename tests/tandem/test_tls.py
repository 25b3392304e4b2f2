"""The local authority and the server's certificate."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from tandem.tls import LEAF_LIFE, RENEW_BEFORE, Certificates, Files, ensure_leaf
from telephony.kernel.errors import ConfigurationError
from tests.support.clock import ManualClock

pytestmark = pytest.mark.wire
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def names_of(files: Files) -> set[str]:
    leaf = x509.load_pem_x509_certificate(files.leaf.read_bytes())
    listed = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(item.value) for item in listed}


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bytes:
    """Shake hands without a socket, as a client that calls the server `name`; return what it then reads."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asked = client.wrap_bio(to_client, to_server, server_hostname=name)
    asking = server.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for side in (asked, asking):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
    asking.write(b"hello")
    return asked.read()


def now_clock() -> ManualClock:
    return ManualClock(int(datetime.now(UTC).timestamp()) * 1_000_000)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.0.0.2", "gateway.example", "::1"])
def test_a_client_that_checks_to_the_letter_trusts_every_name(tmp_path: Path, name: str) -> None:
    files = Files(tmp_path)
    server = Certificates(files, now_clock()).context(["127.0.0.2:8443", "gateway.example", "127.0.0.1:8443"])
    client = ssl.create_default_context(cafile=files.authority)
    client.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN  # Python 3.13's default
    assert handshake(server, client, name) == b"hello"


def test_another_name_and_another_authority_are_not_trusted(tmp_path: Path) -> None:
    files = Files(tmp_path / "one")
    server = Certificates(files, now_clock()).context([])
    Certificates(Files(tmp_path / "other"), now_clock()).context([])
    for ca, name in ((files.authority, "evil.example"), (Files(tmp_path / "other").authority, "localhost")):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(server, ssl.create_default_context(cafile=ca), name)


def test_private_keys_are_the_owners_alone(tmp_path: Path) -> None:
    files = Files(tmp_path)
    ensure_leaf(files, [], NOW)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca-key.pem": 0o600, "server.pem": 0o644, "server-key.pem": 0o600}


def test_extensions_are_those_that_strict_clients_ask_for(tmp_path: Path) -> None:
    files = Files(tmp_path)
    ensure_leaf(files, ["[2001:db8::1]:8443"], NOW)
    for path, is_authority in ((files.authority, True), (files.leaf, False)):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert (constraints.critical, constraints.value.ca) == (True, is_authority)
        assert (usage.critical, usage.value.key_cert_sign) == (True, is_authority)
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert str(ip_address("2001:db8::1")) in names_of(files)


def test_a_certificate_is_kept_until_it_lacks_a_name_or_ends_soon(tmp_path: Path) -> None:
    files = Files(tmp_path)
    assert ensure_leaf(files, ["127.0.0.1:8443"], NOW)
    authority = files.authority.read_bytes()
    assert not ensure_leaf(files, ["127.0.0.1:8443"], NOW + timedelta(days=100))
    assert not ensure_leaf(files, [], NOW)
    assert ensure_leaf(files, ["127.0.0.2:8443"], NOW)
    assert "127.0.0.2" in names_of(files)
    assert not ensure_leaf(files, ["127.0.0.2:8443"], NOW + LEAF_LIFE - RENEW_BEFORE - timedelta(days=1))
    assert ensure_leaf(files, ["127.0.0.2:8443"], NOW + LEAF_LIFE - RENEW_BEFORE)
    assert files.authority.read_bytes() == authority


@pytest.mark.parametrize("name", ["server.pem", "server-key.pem"])
def test_a_damaged_certificate_is_made_again(tmp_path: Path, name: str) -> None:
    files = Files(tmp_path)
    ensure_leaf(files, [], NOW)
    (tmp_path / name).write_text("rubbish")
    assert ensure_leaf(files, [], NOW)
    assert not ensure_leaf(files, [], NOW)


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem"])
def test_a_damaged_authority_is_named_with_the_remedy(tmp_path: Path, name: str) -> None:
    files = Files(tmp_path)
    ensure_leaf(files, [], NOW)
    (tmp_path / name).write_text("rubbish")
    with pytest.raises(ConfigurationError, match=r"ca\.pem.*remove"):
        ensure_leaf(files, [], NOW)


def test_a_renewed_certificate_serves_new_connections_of_a_running_server(tmp_path: Path) -> None:
    files = Files(tmp_path)
    certificates = Certificates(files, now_clock())
    server = certificates.context([])
    client = ssl.create_default_context(cafile=files.authority)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "late.example")
    assert certificates.refresh(["late.example:8443"])
    assert not certificates.refresh(["late.example:8443"])
    assert handshake(server, client, "late.example") == b"hello"


def test_an_operators_own_files_are_used_as_they_are(tmp_path: Path) -> None:
    own = Files(tmp_path / "own")
    ensure_leaf(own, ["own.example"], datetime.now(UTC))
    files = Files(tmp_path / "data", certificate=own.leaf, key=own.leaf_key)
    certificates = Certificates(files, now_clock())
    server = certificates.context(["127.0.0.1:8443"])
    assert handshake(server, ssl.create_default_context(cafile=own.authority), "own.example") == b"hello"
    assert not certificates.refresh(["x.example"])
    assert not (tmp_path / "data").exists()


def test_own_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(ConfigurationError, match=r"^certificate and certificate_key: .* needs its key"):
        Certificates(Files(tmp_path, certificate=missing), now_clock())
    with pytest.raises(
        ConfigurationError, match=r"^certificate and certificate_key: .*missing\.pem"
    ) as error:
        Certificates(Files(tmp_path, certificate=missing, key=missing), now_clock()).context([])
    assert error.value.target == "certificate"
