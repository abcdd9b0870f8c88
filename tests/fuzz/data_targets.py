"""Parsers of data: images, collections of arrays, records, archives, tables and lists."""

import gzip
import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from resnetlab.data.archives import mat_process
from resnetlab.data.archives.array_files import read_idx, read_mat, read_npz, read_stl
from resnetlab.data.archives.container import read_files
from resnetlab.data.archives.unzipped import unzipped
from resnetlab.data.arrays.cifar import LAYOUTS, MOST_DATA_BYTES, parse_class_names, parse_records
from resnetlab.data.folders.table import open_csv
from resnetlab.data.images.decode import OpenedImage, decode, image_facts, image_size
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.records.example_proto import MalformedExample, parse_example
from resnetlab.data.records.record_index import Records, ShardIndex, index_shards
from resnetlab.data.records.tfrecord_records import TFRecordReader, index_tfrecord
from resnetlab.data.records.webdataset_index import index_tar
from resnetlab.data.sources.labelling import name_classes
from resnetlab.errors import DataError
from tests.fuzz.fitting import png_sums, record_sums, safetensors_length, tar_sums
from tests.fuzz.mutations import of_bytes, of_json
from tests.fuzz.target import Packed, Target, in_a_file, of_reader
from tests.kit.pictures import picture
from tests.kit.tars import tar_bytes
from tests.kit.tfrecords import framed, imagenet_example

_RNG = np.random.default_rng(0)
_TAR_TOKENS = (
    b"ustar\x0000", b"ustar  \0", b"0000000", b"\x80\0\0\0\0\0\0\1", b"\xff" * 12, b"77777777777\0", b"-1\0",
    b"30 size=-1\n", b"30 size=99999999999999999999\n", b"22 GNU.sparse.map=1,2\n", b"25 path=../../x\n",
    b"0", b"1", b"2", b"x", b"g", b"L", b"K", b"S", b"\0" * 512,
)  # fmt: skip
_ZIP_TOKENS = (
    b"PK\3\4",
    b"PK\1\2",
    b"PK\5\6",
    b"PK\6\6",
    b"PK\6\7",
    b"PK\7\x08",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\1\0",
)
_NPY_TOKENS = (
    b"\x93NUMPY", b"'descr'", b"'<U4294967295'", b"'|O'", b"'<f8'", b"(9999999999,)", b"(-1,)", b"()",
    b"True", b"'fortran_order'", b"'shape'", b"[('a', '<i4')]",
)  # fmt: skip


def zip_bytes(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip of {name: bytes}."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def npy_bytes(array: Any) -> bytes:
    """Return an array as NumPy writes it."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


# CIFAR.


def _binary_records(layout: int) -> Callable[[Path], Sequence[bytes]]:
    labels = b"\1\2" if LAYOUTS[layout].labels else b"\3"
    return lambda folder: [labels + _RNG.bytes(3072) + labels + bytes(3072)]


def _pickled_records(folder: Path) -> Sequence[bytes]:
    table = {b"batch_label": b"training batch", b"labels": [1, 2], b"data": np.zeros((2, 3072), np.uint8)}
    return [pickle.dumps(table, protocol=protocol) for protocol in (3, 4)]


_PICKLE_TOKENS = (
    b".", b"(", b"]", b"}", b"N", b"\x85", b"\x86", b"\x87", b"R", b"b", b"q\0", b"r\xff\xff\xff\x7f",
    b"h\0", b"j\xff\xff\xff\xff", b"cnumpy\ndtype\n", b"cos\nsystem\n", b"X\4\0\0\0data", b"K\1",
    b"J\xff\xff\xff\xff", b"\x8a\x08" + b"\xff" * 8, b"\x95" + b"\xff" * 8, b"\x94", b"\x93", b"u", b"s",
    b"a", b"e", b"t", b"0", b"2", b"Q", b"ccopyreg\n_reconstructor\n", b"U\2u1", b"\x8eP\0\0\0\0\0\0\0",
    b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f",
)  # fmt: skip


def _cifar_members() -> dict[str, bytes]:
    return {
        "cifar-10-batches-bin/data_batch_1.bin": b"\1" + bytes(64),
        "cifar-10-batches-bin/batches.meta.txt": b"a\nb\n",
    }


_MOST_OF_CIFAR = {"data_batch_1.bin": MOST_DATA_BYTES, "batches.meta.txt": 2**16}


def _gzipped(members: Mapping[str, bytes]) -> bytes:
    return gzip.compress(tar_bytes(members), compresslevel=1, mtime=0)


def _of_cifar() -> dict[str, Target]:
    members = _cifar_members()
    python, binary = LAYOUTS[1], LAYOUTS[0]
    return {
        "CIFAR-10 binary": Target(
            make=_binary_records(0),
            call=lambda content, _: parse_records(LAYOUTS[0], "data_batch_1.bin", content),
        ),
        "CIFAR-100 binary": Target(
            make=_binary_records(2), call=lambda content, _: parse_records(LAYOUTS[2], "train.bin", content)
        ),
        "CIFAR pickle": Target(
            make=_pickled_records,
            call=lambda content, _: parse_records(python, "data_batch_1", content),
            tokens=_PICKLE_TOKENS,
        ),
        "CIFAR names": Target(
            make=lambda folder: ["\n".join(binary.names).encode()],
            kind="text",
            call=lambda content, _: parse_class_names(binary, content),
        ),
        "CIFAR names, pickled": Target(
            make=lambda folder: [
                pickle.dumps({b"label_names": [n.encode() for n in python.names]}, protocol=3)
            ],
            call=lambda content, _: parse_class_names(python, content),
            tokens=_PICKLE_TOKENS,
        ),
        "CIFAR tar": Target(
            make=lambda folder: [tar_bytes(members)],
            tokens=_TAR_TOKENS,
            fit=tar_sums,
            call=in_a_file("cifar.tar", lambda path: read_files(path, _MOST_OF_CIFAR)),
        ),
        "CIFAR tar.gz": Target(
            make=lambda folder: [_gzipped(members)],
            tokens=_TAR_TOKENS,
            call=in_a_file("cifar.tar.gz", lambda path: read_files(path, _MOST_OF_CIFAR)),
            change=Packed(_gzipped, members),
        ),
    }


# Arrays.


def _idx(count: int, *sizes: int) -> bytes:
    shape = (count, *sizes)
    head = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    return head + _RNG.bytes(int(np.prod(shape)))


def _stl(content: bytes, folder: Path) -> object:
    (folder / "train_X.bin").write_bytes(content)
    return read_stl(folder / "train_X.bin", folder / "train_y.bin")


def _stl_files(folder: Path) -> Sequence[bytes]:
    (folder / "train_y.bin").write_bytes(b"\1\2")
    return [bytes(2 * 3 * 96 * 96)]


def _mats(folder: Path, most: int = 3) -> Sequence[bytes]:
    from scipy.io import savemat

    arrays = {"X": _RNG.integers(0, 256, (4, 4, 3, 2)).astype(np.uint8), "y": np.array([[1], [2]], np.uint8)}
    made = []
    for options in ({}, {"do_compression": True}, {"format": "4"}):
        stream = io.BytesIO()
        savemat(stream, arrays if "format" not in options else {"y": arrays["y"]}, **options)
        made.append(stream.getvalue())
    return [*made[:2], _records_in_mat()][:most]


def _npz_members() -> dict[str, bytes]:
    arrays = {"x_train": np.zeros((2, 4, 4, 3), np.uint8), "y_train": np.arange(2)}
    return {f"{name}.npy": npy_bytes(array) for name, array in arrays.items()}


def _records_in_mat() -> bytes:
    from scipy.io import savemat

    stream = io.BytesIO()
    rows = np.array([(1, "n00000001"), (2, "n00000002")], [("ILSVRC2012_ID", "i4"), ("WNID", "U9")])
    savemat(stream, {"synsets": rows})
    return stream.getvalue()


def _variables(path: Path) -> None:
    """Have it read as the process does that reads MATLAB's files."""
    folder = path.with_name("arrays")
    shutil.rmtree(folder, ignore_errors=True)
    mat_process.unpacked_bytes(path)
    mat_process.read(path, folder, ("X", "y", "synsets"))


def _of_arrays() -> dict[str, Target]:
    return {
        "idx": Target(make=lambda folder: [_idx(2, 4, 4), _idx(5)], call=in_a_file("x", read_idx)),
        "idx.gz": Target(
            make=lambda folder: [gzip.compress(_idx(2, 4, 4), mtime=0)],
            call=in_a_file("x.gz", read_idx),
            change=Packed(
                lambda members: gzip.compress(next(iter(members.values()), b""), 1, mtime=0),
                {"x": _idx(2, 4, 4)},
            ),
        ),
        "STL-10": Target(make=_stl_files, call=_stl),
        "mat": Target(make=_mats, call=in_a_file("x.mat", _variables), is_guarded=True),
        "mat, by way of the process": Target(
            make=lambda folder: _mats(folder, 1), call=in_a_file("x.mat", read_mat)
        ),
        "npz of images": Target(
            make=lambda folder: [zip_bytes(_npz_members())],
            tokens=_ZIP_TOKENS,
            call=in_a_file("x.npz", read_npz),
            change=Packed(
                zip_bytes,
                _npz_members(),
                {name: of_bytes(_NPY_TOKENS) for name in _npz_members()},
                tokens=_ZIP_TOKENS,
            ),
        ),
        "npy": Target(
            make=lambda folder: [npy_bytes(np.zeros((2, 4, 4, 3), np.uint8))],
            tokens=_NPY_TOKENS,
            call=in_a_file("x.npy", read_npz),
        ),
    }


# Records.


def _example(folder: Path) -> Sequence[bytes]:
    return [imagenet_example(3, image__encoded=b"\xff\xd8" + bytes(20))]


def _of_one_shard(index: ShardIndex, path: Path) -> Records:
    starts = np.array([0, len(index)], np.int64)
    return Records(str(path.parent), (path.name,), starts, index.offsets, index.lengths, (index.names,))


def _read_records(path: Path) -> None:
    index = index_tfrecord(path)
    reader = TFRecordReader(_of_one_shard(index, path))
    for number in range(min(len(reader), 2)):
        reader.read(number)


def _records(folder: Path) -> Sequence[bytes]:
    short = b"\xff\xd8" + bytes(20)
    return [
        framed(imagenet_example(1, image__encoded=short)) + framed(imagenet_example(2, image__encoded=short))
    ]


def _web_members() -> dict[str, bytes]:
    return {
        "a.jpg": b"\xff\xd8" + bytes(9),
        "a.json": b'{"label": 3, "x": {"y": 1}}',
        "b.jpg": b"1",
        "b.json": b'{"label": 4}',
    }


def _web_classes() -> dict[str, bytes]:
    return {
        "a.jpg": b"1",
        "a.cls": b"3",
        "b.seg.png": b"2",
        "b.png": b"2",
        "b.cls": b"4",
        "names.txt": b"a b\n",
    }


def _cached_index(folder: Path) -> Sequence[bytes]:
    """Index a shard, which leaves the index in the cache."""
    os.environ["RESNETLAB_CACHE"] = str(folder / "cache")
    (folder / "train-00000-of-00001").write_bytes(_records(folder)[0])
    index_shards(folder, ["train-00000-of-00001"], "x", index_tfrecord)
    (kept,) = (folder / "cache/shards").iterdir()
    return [kept.read_bytes()]


def _refuses(path: Path) -> ShardIndex:
    raise DataError("the index would be made anew")


def _read_cached(content: bytes, folder: Path) -> None:
    os.environ["RESNETLAB_CACHE"] = str(folder / "cache")
    (kept,) = (folder / "cache/shards").iterdir()
    kept.write_bytes(content)
    records, _ = index_shards(folder, ["train-00000-of-00001"], "x", _refuses)
    TFRecordReader(records).read(0)


def _of_records() -> dict[str, Target]:
    web = {name: of_json(content) for name, content in _web_members().items() if name.endswith(".json")}
    return {
        "tf.Example": Target(
            make=_example,
            allowed=(MalformedExample,),
            call=lambda content, _: parse_example(memoryview(content), _Everything()),
        ),
        "TFRecord": Target(
            make=_records, call=in_a_file("train-00000-of-00001", _read_records), fit=record_sums
        ),
        "WebDataset: json": Target(
            make=lambda folder: [tar_bytes(_web_members())],
            call=in_a_file("x.tar", index_tar),
            change=Packed(tar_bytes, _web_members(), web, tokens=_TAR_TOKENS),
            fit=tar_sums,
        ),
        "WebDataset: cls": Target(
            make=lambda folder: [tar_bytes(_web_classes())],
            call=in_a_file("x.tar", index_tar),
            change=Packed(tar_bytes, _web_classes(), tokens=_TAR_TOKENS),
            fit=tar_sums,
        ),
        "an index in the cache": Target(make=_cached_index, call=_read_cached, fit=safetensors_length),
        "gzip to the cache": Target(make=_zipped_shard, call=_unzipped),
    }


class _Everything(tuple[str, ...]):
    """All names."""

    __slots__ = ()

    def __contains__(self, name: object) -> bool:
        return True


def _zipped_shard(folder: Path) -> Sequence[bytes]:
    return [gzip.compress(bytes(100), mtime=0)]


def _unzipped(content: bytes, folder: Path) -> None:
    os.environ["RESNETLAB_CACHE"] = str(folder / "cache")
    (folder / "x.gz").write_bytes(content)
    made = unzipped(folder / "x.gz")
    if made != folder / "x.gz":
        made.unlink()


# Pictures.


def _pictures(form: str, *options: Mapping[str, Any]) -> Target:
    def make(folder: Path) -> Sequence[bytes]:
        return [picture(size=(12, 9), form=form, **each) for each in options or ({},)]

    def call(content: bytes, folder: Path) -> None:
        image = EncodedImage(content, "x")
        image_size(image)
        image_facts(image)
        OpenedImage(image).is_plain_jpeg  # noqa: B018
        decode(image, channels=3)

    fit = png_sums if form == "PNG" else None
    return Target(make=make, call=call, tokens=_IMAGE_TOKENS, fit=fit, most_growth=_OF_PIXELS)


_OF_PIXELS = 2 << 30
"""What 178 million pixels take, the most that are read: four bytes each in Pillow, and copies."""
_IMAGE_TOKENS = (
    b"\xff\xd8", b"\xff\xd9", b"\xff\xc0", b"\xff\xc2", b"\xff\xda", b"\xff\xdb", b"\xff\xc4", b"\xff\xe1",
    b"\xff\xee", b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0", b"IHDR", b"IDAT", b"IEND",
    b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"acTL", b"GIF89a", b"!\xf9\4", b"!\xff\x0bNETSCAPE2.0", b"RIFF",
    b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"BM", b"P6", b"P5", b"P7", b"II*\0", b"MM\0*",
    b"ftypavif", b"\x30\0", b"\xff\x7f",
)  # fmt: skip


def _of_pictures() -> dict[str, Target]:
    return {
        "JPEG": _pictures("JPEG", {}, {"progressive": True}, {"mode": "CMYK"}, {"mode": "L"}),
        "PNG": _pictures("PNG", {}, {"mode": "P"}, {"mode": "RGBA"}, {"mode": "1"}),
        "GIF": _pictures("GIF", {"mode": "P"}),
        "WebP": _pictures("WEBP", {}, {"lossless": True}, {"mode": "RGBA"}),
        "BMP": _pictures("BMP", {}, {"mode": "P"}),
        "PPM": _pictures("PPM", {}, {"mode": "L"}),
        "TIFF": _pictures("TIFF", {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"mode": "1"}),
        "AVIF": _pictures("AVIF"),
    }


# Tables and lists.


def _rows(folder: Path) -> Sequence[bytes]:
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(b"\xff\xd8")
    return [
        b"path,label,split\n0.jpg,a,train\n1.jpg,b,train\n2.jpg,a,test\n3.jpg,b,test\n",
        b"0.jpg\ta\n1.jpg\tb\n2.jpg\tb\n3.jpg\ta\n",
    ]


def _json_rows(folder: Path) -> Sequence[bytes]:
    _rows(folder)
    rows = ({"path": f"{n}.jpg", "label": "ab"[n % 2], "box": {"x": [1]}} for n in range(4))
    return ["".join(json.dumps(row) + "\n" for row in rows).encode()]


def _named(path: Path) -> object:
    return name_classes(("a", "b"), np.array([0, 1]), path)


def _of_lists() -> dict[str, Target]:
    return {
        "csv": Target(
            make=_rows, kind="text", call=in_a_file("set.csv", open_csv), tokens=("train", "val", "is_valid")
        ),
        "jsonl": Target(make=_json_rows, kind="lines", call=in_a_file("set.jsonl", open_csv)),
        "names of classes": Target(
            make=lambda folder: [b"b\na\n"], kind="text", call=in_a_file("names.txt", _named)
        ),
        "a list of a split": of_reader("a list of a split"),
        "a .zip": of_reader("a .zip", tokens=_ZIP_TOKENS),
        "Parquet": of_reader("Parquet"),
        **{
            f"Hugging Face: {name}": of_reader(f"Hugging Face: {name}")
            for name in ("hf/dataset_dict.json", "hf/train/dataset_info.json", "hf/train/state.json", "arrow")
        },
    }


TARGETS: Mapping[str, Target] = {
    **_of_cifar(),
    **_of_arrays(),
    **_of_records(),
    **_of_pictures(),
    **_of_lists(),
}
