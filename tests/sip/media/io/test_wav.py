"""The files of recordings, whole and after a crash."""

from pathlib import Path

import numpy as np
import pytest

from sip.media.io import wav
from sip.media.io.timeline import Block
from sip.media.io.wav_file import WavFile
from tests.support.media_fakes import read_wav, tone

pytestmark = pytest.mark.wire


def begun(folder: Path, *, channels: int = 1, sync: float = 0.0) -> WavFile:
    return WavFile(folder / "call.wav", rate=8000, channels=channels, sync_seconds=sync)


def test_a_finished_file_is_what_the_standard_library_reads(tmp_path: Path) -> None:
    samples = np.stack([tone(440, 1, 8000), tone(1000, 1, 8000)], axis=1)
    file = begun(tmp_path, channels=2)
    file.write([Block(0, samples[:4000]), Block(4000, samples[4000:])])
    file.finish(len(samples))
    found, rate = read_wav(tmp_path / "call.wav")
    assert rate == 8000
    assert np.array_equal(found, samples)
    assert [each.name for each in tmp_path.iterdir()] == ["call.wav"]
    assert (tmp_path / "call.wav").stat().st_mode & 0o777 == 0o600


def test_a_hole_and_an_end_that_were_never_written_are_silence(tmp_path: Path) -> None:
    file = begun(tmp_path)
    file.write([Block(100, np.full((50, 1), 7, np.int16))])
    file.finish(400)
    found, _ = read_wav(tmp_path / "call.wav")
    assert len(found) == 400
    assert np.array_equal(np.flatnonzero(found), np.arange(100, 150))


def test_a_patch_is_added_to_what_is_there_and_clipped(tmp_path: Path) -> None:
    file = begun(tmp_path)
    file.write([Block(0, np.full((10, 1), 30_000, np.int16))])
    file.write([Block(8, np.full((4, 1), 5_000, np.int16), patch=True)])
    file.finish(12)
    found, _ = read_wav(tmp_path / "call.wav")
    assert found[:, 0].tolist() == [30_000] * 8 + [32_767] * 2 + [5_000] * 2


@pytest.mark.parametrize("torn", [0, 1, 3])
def test_what_a_crash_left_is_made_whole_to_its_last_frame(tmp_path: Path, torn: int) -> None:
    samples = np.stack([tone(440, 1, 8000), tone(1000, 1, 8000)], axis=1)
    file = begun(tmp_path, channels=2)
    file.write([Block(0, samples)])
    part = tmp_path / "call.wav.part"
    with part.open("ab") as more:
        more.write(bytes(torn))
    assert wav.left_under_way(tmp_path) == [part]
    path, seconds = wav.repair(part)
    assert path == tmp_path / "call.wav"
    assert seconds == 1.0
    assert np.array_equal(read_wav(path)[0], samples)
    assert not part.exists()
    file.remove()


def test_a_file_of_another_kind_is_left_as_it_is(tmp_path: Path) -> None:
    part = tmp_path / "x.wav.part"
    for content in (b"", b"RIFF", bytes(44), wav.header(0, 1, 0), wav.header(8000, 0, 0)):
        part.write_bytes(content)
        with pytest.raises(wav.NotWav):
            wav.repair(part)
        assert part.read_bytes() == content


def test_a_name_that_is_taken_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "call.wav").write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        begun(tmp_path)
    assert (tmp_path / "call.wav").read_bytes() == b"precious"
    (tmp_path / "call.wav").unlink()
    first = begun(tmp_path)
    with pytest.raises(FileExistsError):
        begun(tmp_path)
    first.remove()


def test_a_file_that_is_synced_says_its_length_before_it_ends(tmp_path: Path) -> None:
    file = begun(tmp_path, sync=1e-9)
    assert file.write([Block(0, np.ones((80, 1), np.int16))])
    found, _ = read_wav(tmp_path / "call.wav.part")
    assert len(found) == 80
    file.remove()
