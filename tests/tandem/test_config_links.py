"""Links as an operator writes them: the reference's own examples, and what is told about mistakes."""

from pathlib import Path

import pytest

from carriers.model.smpp import SmppLink, SmppTls
from tandem.config.load import load
from telephony.kernel.errors import ConfigurationError

pytestmark = pytest.mark.wire

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "smpp.md"
EXAMPLES = [block.split("```")[0] for block in REFERENCE.read_text().split("```toml\n")[1:]]


def link(folder: Path, text: str, name: str = "one") -> SmppLink:
    file = folder / "node.toml"
    file.write_text(text)
    return load(file, environment={}).configuration.carriers["acme"].smpp[name]


@pytest.mark.parametrize(("example", "name"), [(EXAMPLES[0], "out-1"), (EXAMPLES[1], "in-1")])
def test_the_references_examples_are_right(tmp_path: Path, example: str, name: str) -> None:
    (tmp_path / "secret").write_text("hush\n")
    for path in ("acme-password", "acme-outbind"):
        example = example.replace(f"file:/run/secrets/{path}", f"file:{tmp_path}/secret")
    found = link(tmp_path, example, name)
    assert found.password.reveal() == "hush"
    if name == "out-1":
        assert (found.bind, found.per_second, found.tls and found.tls.ca) == (
            "transmitter",
            100.0,
            Path("/etc/tandem/acme-ca.pem"),
        )
    else:
        assert found.outbind is not None
        assert found.outbind.addresses == ("198.51.100.0/24",)


def test_an_empty_table_is_tls_as_usual(tmp_path: Path) -> None:
    text = '[carriers.acme.smpp.one]\nhost = "smsc"\nsystem_id = "me"\ntls = {}\n'
    assert link(tmp_path, text).tls == SmppTls()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('tlvs = { 0x0424 = "00" }', "carriers.acme.smpp.one.tlvs: 0x0424 is set by each message itself"),
        ('tlvs = { 0x1400 = "zz" }', "carriers.acme.smpp.one.tlvs: 0x1400: expected octets in hex"),
        ('tls = { key = "x" }', "carriers.acme.smpp.one.tls: certificate and key: expected both or neither"),
        ('outbind = { port = 1, system_id = "x" }', "carriers.acme.smpp.one.outbind: password is missing"),
        ('bind = "both"', 'carriers.acme.smpp.one.bind: expected one of "receiver"'),
    ],
)
def test_a_mistake_is_told_with_its_key(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        link(tmp_path, f'[carriers.acme.smpp.one]\nhost = "smsc"\nsystem_id = "me"\n{line}\n')
    assert complaint in told.value.message
