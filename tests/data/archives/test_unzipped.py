import gzip
import os
import shutil

import pytest

from resnetlab.data.archives import unzipped as module
from resnetlab.data.archives.unzipped import unzipped
from resnetlab.errors import DataError


@pytest.fixture
def packed(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(range(256)) * 1000))
    return path


def test_a_file_is_unpacked_in_pieces_once(packed, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 1000)

    kept = unzipped(packed)

    assert kept.read_bytes() == bytes(range(256)) * 1000
    assert unzipped(packed) == kept


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_damage_leaves_no_half_a_file(packed, tmp_path, damage):
    whole = bytearray(packed.read_bytes())
    whole[-6] ^= 255  # of the checksum
    packed.write_bytes(whole if damage == "changed" else whole[:-20])

    with pytest.raises(DataError, match="cannot be unpacked"):
        unzipped(packed)

    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_what_is_too_long_is_refused(packed, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 5000)

    with pytest.raises(DataError, match="unpacks to more than"):
        unzipped(packed)


def test_a_bit_that_was_turned_in_the_copy_is_turned_back(packed):
    kept = unzipped(packed)
    facts, whole = kept.stat(), kept.read_bytes()
    kept.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    os.utime(kept, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # of the same length and time

    assert unzipped(packed).read_bytes() == whole


def test_a_copy_that_was_moved_is_read_once_and_taken(packed, tmp_path):
    kept = unzipped(packed)
    shutil.copy(kept, tmp_path / "moved")
    (tmp_path / "moved").replace(kept)
    place, note = kept.stat(), kept.with_name(f"{kept.name}.note").read_text()

    assert unzipped(packed).stat().st_ino == place.st_ino
    known = kept.with_name(f"{kept.name}.note").read_text()
    assert known.split()[0] == note.split()[0] and known != note
    assert unzipped(packed).stat().st_ino == place.st_ino
    assert kept.with_name(f"{kept.name}.note").read_text() == known
