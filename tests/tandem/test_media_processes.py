"""The media processes of a node, as the configuration wants them."""

import os
import stat
from pathlib import Path

import msgspec
import pytest

from sip.media.engine.settings import parse
from sip.media.io.settings import IoSettings
from tandem.cli.node import children
from tandem.config.build import build
from tandem.config.origin import Origin, Value
from tandem.config.tree import Configuration
from tandem.media_processes import (
    MAX_FOLDER,
    engine_sockets,
    io_settings,
    make_socket_folder,
    media_children,
    socket_folder,
)
from tandem.supervisor.spec import Ready, decode, encode
from telephony.kernel.errors import ConfigurationError

pytestmark = pytest.mark.unit

DATA = Path("/srv/tandem")


def configured(data: Path = DATA, **media: object) -> Configuration:
    settings = {"media": {name: Value(value, Origin("flag", "test")) for name, value in media.items()}}
    configuration, _ = build(Configuration, settings, environment={})
    return msgspec.structs.replace(configuration, data=data)


def test_engines_divide_the_ports_in_pairs_and_leave_none_out() -> None:
    media = configured(engines=3, first_port=20_000, last_port=20_099).media
    ranges = [media.ports(number) for number in range(3)]
    assert ranges == [(20_000, 20_031), (20_032, 20_065), (20_066, 20_099)]
    assert all(first % 2 == 0 for first, _ in ranges)


def test_each_engine_is_started_with_what_the_settings_say() -> None:
    configuration = configured(
        engines=2, address="0.0.0.0", public_address="198.51.100.7", io="sockets", legs=100, last_port=20_099
    )
    specs = media_children(configuration)
    assert [spec.name for spec in specs] == ["media-engine-0", "media-engine-1", "media-io"]
    second = specs[1].argv
    assert second[1:3] == ("-m", "sip.media.engine")
    settings = parse(list(second[3:]))
    assert settings.control == str(engine_sockets(configuration)["media-engine-1"])
    assert (settings.address, settings.announced) == ("0.0.0.0", "198.51.100.7")
    assert (settings.low, settings.high, settings.max_legs, settings.io) == (20_050, 20_099, 100, "sockets")


def test_media_io_reads_back_what_it_is_started_with() -> None:
    configuration = configured()
    argv = media_children(configuration)[-1].argv
    assert argv[1:4] == ("-m", "sip.media.io", "--settings")
    read = msgspec.json.decode(argv[4], type=IoSettings, dec_hook=lambda kind, value: kind(value))
    assert read == io_settings(configuration)
    assert read.recordings_folder == DATA / "recordings"
    assert read.prompts_folder == DATA / "prompts"


def test_nobody_waits_for_media_processes_and_none_can_end_the_node() -> None:
    specs = decode(encode(children(configured(), ["tandem"], [])))
    media = [spec for spec in specs if spec.name.startswith("media")]
    assert {spec.ready for spec in media} == {Ready.STARTED}
    assert {spec.after for spec in media} == {("gateway",)}
    assert not any(spec.name in other.after for spec in media for other in specs)


def test_a_node_without_audio_has_none() -> None:
    assert media_children(configured(enabled=False)) == []


def test_as_many_engines_as_cores_but_one_when_told_to_count() -> None:
    assert configured(engines=0).media.engine_count() == max(1, (os.cpu_count() or 1) - 1)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"address": "localhost"}, "localhost is no IPv4 address"),
        ({"public_address": "1.2.3"}, "1.2.3 is no IPv4 address"),
        ({"first_port": 20_001}, "first_port"),
        ({"first_port": 20_000, "last_port": 20_001, "engines": 2}, "too few for 2 engines"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(wrong: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        configured(**wrong)


def test_a_long_name_of_the_data_folder_puts_the_sockets_elsewhere(tmp_path: Path) -> None:
    long = DATA / ("x" * MAX_FOLDER)
    folder = socket_folder(configured(long))
    assert len(str(folder)) <= MAX_FOLDER
    assert folder != socket_folder(configured(long / "y"))
    assert socket_folder(configured()) == DATA / "sockets"
    assert socket_folder(configured(sockets=str(tmp_path))) == tmp_path


def test_the_folder_of_sockets_is_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "sockets"
    make_socket_folder(folder)
    folder.chmod(0o777)
    make_socket_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_of_sockets_that_is_a_link_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(ConfigurationError, match=r"media\.sockets"):
            make_socket_folder(tmp_path / name)
