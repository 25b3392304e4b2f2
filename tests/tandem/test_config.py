"""Configuration: what wins, what is refused and how that is told."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tandem.config.load import Loaded, check, load
from tandem.config.origin import Origin
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret

pytestmark = pytest.mark.wire

ACME = """
[carriers.acme.smpp.main]
host = "192.0.2.1"
system_id = "me"
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(
    text: str | None = None,
    flags: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    file = None
    if text is not None:
        file = Path("node.toml")
        file.write_text(text)
    return load(file, flags=flags, environment=environment or {})


def complaints(
    text: str | None = None,
    flags: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(text, flags, environment)
    return caught.value.message.splitlines()


# What wins


def test_without_any_file_it_is_complete_and_has_the_simulated_carrier() -> None:
    configuration = loaded().configuration
    assert configuration.port == 8443
    assert configuration.simulated_runs()
    link = configuration.carriers["simulated"].smpp["simulated-1"]
    assert (link.host, link.port) == ("127.0.0.1", configuration.simulated.port)
    assert configuration.simulated.accounts[link.system_id].password == link.password


def test_a_file_is_below_the_environment_and_that_below_flags() -> None:
    text = 'host = "127.0.0.2"\nport = 1000\ndata = "kept"\n'
    found = loaded(text, {"port": "3000"}, {"TANDEM_PORT": "2000", "TANDEM_DATA": "/srv"})
    configuration = found.configuration
    assert (configuration.host, configuration.data, configuration.port) == ("127.0.0.2", Path("/srv"), 3000)
    assert str(found.origin(("host",))) == "node.toml:1"
    assert found.origin(("data",)) == Origin("environment", "TANDEM_DATA")
    assert found.origin(("port",)) == Origin("flag", "--port")
    assert str(found.origin(("log", "level"))) == "default"


def test_the_file_is_the_flag_s_or_the_variable_s_or_tandem_toml() -> None:
    for name in ("flag.toml", "variable.toml", "tandem.toml"):
        Path(name).write_text(f'host = "{name}"')
    environment = {"TANDEM_CONFIG": "variable.toml"}
    assert load(Path("flag.toml"), environment=environment).configuration.host == "flag.toml"
    assert load(environment=environment).configuration.host == "variable.toml"
    assert load(environment={}).configuration.host == "tandem.toml"


def test_a_variable_reaches_into_sections_with_two_underscores() -> None:
    assert loaded(environment={"TANDEM_LOG__LEVEL": "debug"}).configuration.log.level == "debug"


def test_a_variable_reaches_a_carrier_whose_name_has_a_dash() -> None:
    text = ACME.replace("acme", "acme-one")
    configuration = loaded(
        text, environment={"TANDEM_CARRIERS__ACME_ONE__SMPP__MAIN__PORT": "2776"}
    ).configuration
    assert list(configuration.carriers) == ["acme-one"]
    assert configuration.carriers["acme-one"].smpp["main"].port == 2776


def test_a_carrier_can_stand_in_the_environment_alone() -> None:
    prefix = "TANDEM_CARRIERS__ACME__SMPP__MAIN__"
    configuration = loaded(
        environment={prefix + "HOST": "192.0.2.1", prefix + "SYSTEM_ID": "me"}
    ).configuration
    assert configuration.carriers["acme"].smpp["main"].host == "192.0.2.1"
    assert not configuration.simulated_runs()


@pytest.mark.parametrize("text", ["127.0.0.1:1,node.example:2", '["127.0.0.1:1", "node.example:2"]'])
def test_a_list_in_a_variable_has_commas_or_is_json(text: str) -> None:
    configuration = loaded(environment={"TANDEM_AUTHORITIES": text}).configuration
    assert configuration.own_authorities() == ("127.0.0.1:1", "node.example:2")


# What is refused, and how it is told


def test_an_unknown_key_names_file_line_and_the_nearest_known_one() -> None:
    assert complaints("\nprot = 8443\n") == ["node.toml:2: prot: no such key; did you mean port?"]


def test_an_unknown_key_deep_inside_names_the_nearest_known_one() -> None:
    link = "carriers.acme.smpp.main"
    (complaint,) = complaints(ACME + "passwort = 'x'\n")
    assert complaint == f"node.toml:5: {link}.passwort: no such key; did you mean {link}.password?"


def test_a_key_in_the_wrong_section_is_told_the_right_one() -> None:
    assert complaints('level = "debug"') == ["node.toml:1: level: no such key; did you mean log.level?"]


def test_an_unknown_key_with_nothing_near_lists_what_there_is() -> None:
    assert complaints("[log]\nquux = 1") == ["node.toml:2: log.quux: no such key; known here: format, level"]


@pytest.mark.parametrize(
    ("wrong", "right"), [("TANDEM_PROT", "TANDEM_PORT"), ("TANDEM_LOG_LEVEL", "TANDEM_LOG__LEVEL")]
)
def test_an_unknown_variable_names_the_nearest_known_one(wrong: str, right: str) -> None:
    assert complaints(environment={wrong: "1"}) == [f"{wrong}: no such setting; did you mean {right}?"]


def test_variables_that_are_no_settings_are_left_alone() -> None:
    loaded(environment={"TANDEM_READY_FD": "3", "TANDEM_PROMISES": "full", "TANDEMONIUM": "1"})


def test_a_value_of_the_wrong_type_tells_what_would_be_right() -> None:
    assert complaints('port = "abc"') == [
        'node.toml:1: port: expected a whole number from 1 to 65535, got "abc"'
    ]
    assert complaints("port = 0") == ["node.toml:1: port: expected a whole number from 1 to 65535, got 0"]


def test_a_file_keeps_types_apart_where_a_variable_cannot() -> None:
    assert complaints('port = "8443"') == [
        'node.toml:1: port: expected a whole number from 1 to 65535, got "8443"'
    ]
    assert loaded(environment={"TANDEM_PORT": "8443"}).configuration.port == 8443


def test_a_wrong_variable_and_a_wrong_flag_are_named() -> None:
    (variable,) = complaints(environment={"TANDEM_LOG__LEVEL": "loud"})
    assert variable == (
        'TANDEM_LOG__LEVEL: log.level: expected one of "debug", "error", "info", "warning", got "loud"'
    )
    (flag,) = complaints(flags={"log.format": "xml"})
    assert flag.startswith('--set log.format: log.format: expected one of "console", "json"')


def test_a_missing_key_tells_where_and_what() -> None:
    assert complaints('[carriers.acme.smpp.main]\nhost = "192.0.2.1"\n') == [
        "node.toml:2: carriers.acme.smpp.main: system_id is missing: a text of 1 to 15 characters"
    ]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert len(complaints("prot = 1\nport = -1\n[log]\nlevel = 5\n", environment={"TANDEM_X": ""})) == 4


def test_a_table_where_a_value_belongs_and_the_reverse_are_told() -> None:
    assert complaints("[port]\nx = 1") == [
        'node.toml:2: port: expected a whole number from 1 to 65535, got {"x":1}'
    ]
    assert complaints("log = 1") == ["node.toml:1: log: expected a table, got 1"]


def test_a_carrier_s_name_must_be_a_name() -> None:
    (complaint,) = complaints('[carriers."a b"]\ndata_coding_default = "gsm"\n')
    assert complaint.startswith("node.toml:2: carriers: 'a b' is no name")


@pytest.mark.parametrize(
    ("raw", "told"),
    [(b"port = ", "not TOML"), (b'host = "\xff"', "not UTF-8"), (b"#" * 1_100_000, "no configuration file")],
)
def test_a_file_that_cannot_be_read_is_named(raw: bytes, told: str) -> None:
    file = Path("broken.toml")
    file.write_bytes(raw)
    with pytest.raises(ConfigurationError, match=rf"^broken\.toml: .*{told}"):
        load(file, environment={})


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^gone\.toml: cannot be read: No such file"):
        load(Path("gone.toml"), environment={})


def test_plain_http_for_others_than_this_machine_is_refused() -> None:
    (complaint,) = complaints('[http]\nrate = 10\nplain = "0.0.0.0:8080"\n')
    assert complaint.startswith("node.toml:3: http.plain: expected 127.0.0.1:PORT, [::1]:PORT or unix:/")
    assert complaint.endswith("others reach the node by https (host, port); got '0.0.0.0:8080'")
    assert loaded(flags={"http.plain": "[::1]:8080"}).configuration.http.plain == "[::1]:8080"


# Secrets


def test_a_secret_can_be_in_a_file_beside_the_configuration_or_in_a_variable() -> None:
    Path("pw").write_text("in-file\n")
    assert password(ACME + 'password = "file:pw"') == Secret("in-file")
    assert password(ACME + 'password = "env:PW"', {"PW": "in-env"}) == Secret("in-env")
    assert password(ACME + 'password = "plain"') == Secret("plain")


def password(text: str, environment: Mapping[str, str] | None = None) -> Secret:
    return loaded(text, environment=environment).configuration.carriers["acme"].smpp["main"].password


def test_a_secret_that_is_not_there_tells_what_is_missing() -> None:
    (complaint,) = complaints(ACME + 'password = "file:gone"')
    assert (
        complaint
        == "node.toml:5: carriers.acme.smpp.main.password: gone cannot be read: No such file or directory"
    )
    (complaint,) = complaints(ACME + 'password = "env:GONE"')
    assert complaint == "node.toml:5: carriers.acme.smpp.main.password: the environment has no GONE"


def test_a_wrong_secret_is_not_repeated() -> None:
    (complaint,) = complaints(ACME + "password = 12345678\n")
    assert "12345678" not in complaint


# What follows from the rest


def test_with_carriers_of_one_s_own_the_simulated_one_stays_away_unless_asked_for() -> None:
    assert not loaded(ACME).configuration.simulated_runs()
    configuration = loaded("simulated.enabled = true\n" + ACME).configuration
    assert sorted(configuration.carriers) == ["acme", "simulated"]


def test_a_second_account_of_the_simulated_carrier_is_a_second_carrier() -> None:
    accounts = (
        'simulated.accounts.one.password = "one"\nsimulated.accounts.guest.password = "guest"\n'
        'simulated.accounts.two.password = "two"\nsimulated.accounts.two.carrier = "backup"\n'
    )
    carriers = loaded(accounts).configuration.carriers
    assert sorted(carriers) == ["backup", "simulated"]
    link = carriers["backup"].smpp["backup-1"]
    assert (link.system_id, link.password.reveal(), carriers["backup"].simulated) == ("two", "two", True)
    (complaint,) = complaints(accounts + 'simulated.accounts.guest.carrier = "backup"\n')
    assert "backup is another account's" in complaint
    (complaint,) = complaints("simulated.enabled = true\n" + accounts.replace("backup", "acme") + ACME)
    assert "carriers.acme: the name of an account's carrier" in complaint


def test_a_simulated_carrier_that_others_reach_needs_accounts() -> None:
    (complaint,) = complaints('simulated.host = "0.0.0.0"\n')
    assert complaint.startswith("simulated.accounts: needed")
    configuration = loaded(
        'simulated.host = "0.0.0.0"\nsimulated.accounts.me.password = "12345678"\n'
    ).configuration
    assert configuration.carriers["simulated"].smpp["simulated-1"].host == "127.0.0.1"


def test_an_account_whose_password_smpp_cannot_carry_is_refused() -> None:
    (complaint,) = complaints('simulated.accounts.me.password = "123456789"\n')
    assert complaint.startswith("simulated.accounts.me.password: has 9 octets")


def test_the_database_s_address_gets_its_driver_and_password() -> None:
    assert loaded().configuration.database_url() == f"sqlite:///{Path.cwd() / 'var' / 'tandem.db'}"
    found = loaded(
        'database = "postgresql://tandem@db/tandem"\ndatabase_password = "p@ss/word"\n'
    ).configuration
    assert found.database_url() == "postgresql+psycopg://tandem:p%40ss%2Fword@db/tandem"


def test_a_database_that_is_none_is_told_without_its_password() -> None:
    (complaint,) = complaints('database = "mysql://a:secret@b/c"')
    assert "expected postgresql://" in complaint
    assert "secret" not in complaint


def test_check_looks_at_the_file_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_PORT", "nonsense")
    Path("node.toml").write_text("port = 1234")
    assert check(Path("node.toml")).port == 1234


def test_a_certificate_without_its_key_is_told() -> None:
    assert complaints('certificate = "a.pem"') == [
        "node.toml:1: certificate and certificate_key: expected both or neither"
    ]


# Tables of names


@pytest.mark.parametrize("source", ["flags", "environment", "file"])
def test_a_table_of_numbers_is_set_from_anywhere(source: str) -> None:
    match source:
        case "flags":
            found = loaded(flags={"retention.days.sms": "5", "retention.resources.abc.sms": "7"})
        case "environment":
            found = loaded(
                environment={
                    "TANDEM_RETENTION__DAYS__SMS": "5",
                    "TANDEM_RETENTION__RESOURCES__ABC__SMS": "7",
                }
            )
        case _:
            found = loaded("[retention]\ndays.sms = 5\nresources.abc.sms = 7\n")
    assert found.configuration.retention.days == {"sms": 5}
    assert found.configuration.retention.resources == {"abc": {"sms": 7}}


def test_a_flag_joins_what_a_file_says_of_a_table() -> None:
    found = loaded("[retention.days]\nsms = 5\n", flags={"retention.days.call": "9"})
    assert found.configuration.retention.days == {"sms": 5, "call": 9}


def test_texts_that_look_like_numbers_stay_texts_where_texts_are_wanted() -> None:
    flags = {"carriers.acme.smpp.main.tlvs.0x1400": "1234", "carriers.acme.sender_rates.+1425": "1.5"}
    (acme,) = loaded(ACME, flags=flags).configuration.carriers.values()
    assert acme.smpp["main"].tlvs == {"0x1400": "1234"}
    assert acme.sender_rates == {"+1425": 1.5}


@pytest.mark.parametrize("value", ["x", "0", "1.5", "true", ""])
def test_a_wrong_number_in_a_table_is_refused_by_name(value: str) -> None:
    (complaint,) = complaints(flags={"retention.days.sms": value})
    assert complaint.startswith("--set retention.days.sms: retention.days: expected a table of names")
