import gzip

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
