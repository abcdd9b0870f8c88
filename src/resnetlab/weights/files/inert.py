"""Pickles of others, read without running anything: whatever a pickle names is a stand-in of ours.

A pickle builds objects by calling what it names. Here each name is answered by something that only
keeps what it is given: storages, tensors and NumPy's arrays by parts from which their numbers can be
read, containers by containers, and everything else by an `Inert`. A name that no checkpoint needs and
an attacker does is refused.
"""

import pickle
import re
from collections.abc import Callable
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

# What runs something, and no checkpoint has reason to name.
_ATTACKS = re.compile(
    r"(posix|nt|subprocess|pty|runpy|ctypes|commands|webbrowser|code|codeop|pdb|timeit|socket)\..*"
    r"|(os|shutil|sys|importlib|pickle|_pickle|marshal|torch\.hub)\.(?!stat_result|environ|uname_result)[a-z_]\w*"
    r"|(builtins|__builtin__)\.(eval|exec|execfile|compile|open|file|input|__import__|breakpoint|globals)"
)


class RefusedError(Exception):
    """A pickle that would run something."""


class Inert:
    """An object of a pickle that was not made: what it was to be, and what it was given."""

    name = ""

    def __new__(cls, *args: object, **_: object) -> "Inert":
        """Keep the arguments."""
        self = super().__new__(cls)
        self.args, self.state, self.entries = args, None, {}
        return self

    def __init__(self, *_: object, **__: object) -> None:
        """Take what a class would take."""

    args: tuple[object, ...]
    state: object
    entries: dict[Any, Any]

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: object) -> None:
        self.entries[key] = value

    def __call__(self, *_: object, **__: object) -> "Inert":
        """Do nothing: what it was to return is no more made than itself."""
        return type(self)()

    def append(self, _: object) -> None:
        """Take an entry of a list."""

    def extend(self, _: object) -> None:
        """Take entries of a list."""

    def add(self, _: object) -> None:
        """Take an entry of a set."""

    def contents(self) -> dict[Any, Any]:
        """Return its attributes and entries, by name."""
        state = self.state
        if isinstance(state, tuple) and len(state) == 2:  # of a class with slots
            parts = [part for part in state if isinstance(part, dict)]
        else:
            parts = [state] if isinstance(state, dict) else []
        given = [each for each in self.args if isinstance(each, dict)]  # as dict's own constructor takes it
        return {key: value for part in (*given, *parts, self.entries) for key, value in part.items()}


class Entries(dict[Any, Any]):
    """An OrderedDict, a defaultdict or a Counter, whatever it was given besides its entries."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        for each in args:
            if isinstance(each, dict | list):
                self.update(each)

    def __setstate__(self, _: object) -> None:
        """Leave out attributes, as a state dict's _metadata."""


class Array:
    """An array of NumPy, before anything is made of it."""

    def __init__(self, *args: object) -> None:
        """Take the arguments of NumPy's `_reconstruct`, which say nothing, or those of `_frombuffer`."""
        self.parts: tuple[Any, Any, Any, Any] | None = None
        if len(args) == 4:
            content, dtype, shape, order = args
            self.parts = (shape, dtype, order == "F", content)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, content = state
        self.parts = (shape, dtype, is_fortran, content)

    def to_tensor(self) -> Tensor | None:
        """Return its numbers; None if it holds no numbers that torch has."""
        if self.parts is None or not isinstance(self.parts[1], Dtype):
            return None
        shape, dtype, is_fortran, content = self.parts
        kind = dtype.to_numpy()
        if isinstance(content, str):  # of Python 2
            content = content.encode("latin1")
        if kind is None or not isinstance(content, bytes | bytearray):
            return None
        array = np.frombuffer(content, kind).reshape(shape, order="F" if is_fortran else "C")
        return torch.from_numpy(array.astype(kind.newbyteorder("="), order="C"))


class Dtype:
    """A dtype of NumPy: a letter, a size, and the byte order in its state."""

    def __init__(self, code: object = None, *_: object) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def to_numpy(self) -> "np.dtype[Any] | None":
        """Return it, if it is one of plain numbers."""
        text = f"{_text(self.order)}{_text(self.code)}"
        return np.dtype(text) if re.fullmatch(r"[<>=|]([if][248]|[iu]1|b1)", text) else None


class Kind:
    """A class of storages: its dtype."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


_KINDS = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool, "UntypedStorage": torch.uint8,
}  # fmt: skip


class Reader(pickle.Unpickler):
    """Reads one pickle, see the module; `named` collects what it names and was not made.

    Args:
        stream: The pickle.
        storage: Returns the flat tensor of a persistent id.
        load: Reads storages that are pickled within the pickle (`torch.storage._load_from_bytes`).
    """

    def __init__(
        self,
        stream: IO[bytes],
        *,
        storage: Callable[[Any], object] | None = None,
        load: Callable[[bytes], object] | None = None,
    ) -> None:
        super().__init__(stream, encoding="latin1")  # what Python 2 wrote as str: text, or an array's bytes
        self.named: dict[str, None] = {}
        self._storage = storage
        self._known = dict(_KNOWN)
        if load is not None:
            self._known["torch.storage._load_from_bytes"] = load

    def persistent_load(self, pid: Any) -> object:
        """Return the storage that an id means."""
        if self._storage is None:
            raise pickle.UnpicklingError("a reference to something outside the pickle")
        return self._storage(pid)

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a global.

        Raises:
            RefusedError: If no checkpoint needs it.
        """
        full = f"{module}.{name}"
        if full in self._known:
            return self._known[full]
        if module.partition(".")[0] == "torch" and name in _KINDS:
            return Kind(_KINDS[name])
        if _ATTACKS.fullmatch(full):
            raise RefusedError(full)
        self.named[full] = None
        return type("Inert", (Inert,), {"name": full})


def _rebuild(storage: object, offset: int, size: Any, stride: Any, *_: object) -> object:
    """Return the tensor that lies so in a storage; bounds are torch's to check."""
    if not isinstance(storage, Tensor):
        return Inert()
    return torch.as_strided(storage, tuple(size), tuple(stride), offset)


def _first(value: object, *_: object) -> object:
    """Return the tensor that a parameter holds."""
    return value


def _from_type(function: object, _: object, args: Any, *__: object) -> object:
    """Return the tensor that a subclass of torch's holds."""
    return function(*args) if function in (_rebuild, _first) else Inert()


def _from_array(array: object, *_: object) -> object:
    return array.to_tensor() if isinstance(array, Array) else Inert()


def _encode(text: object, *_: object) -> bytes:
    """Return the bytes that Python 3 writes as text in pickles of Python 2's protocol."""
    return text.encode("latin1") if isinstance(text, str) else b""


def _bytes(content: object = b"", *_: object) -> bytes:
    return bytes(content) if isinstance(content, bytes | bytearray) else b""


def _object(kind: object, *_: object) -> object:
    """Return what Python 2's protocol makes of a class."""
    return kind() if isinstance(kind, type) and issubclass(kind, Inert | Entries) else Inert()


def _set(values: Any = (), *_: object) -> frozenset[Any]:
    return frozenset(each for each in values if isinstance(each, str | int))


def _tuple(values: Any = (), *_: object) -> tuple[Any, ...]:
    return tuple(values)


_KNOWN: dict[str, Any] = {
    "torch._utils._rebuild_tensor": _rebuild,
    "torch._utils._rebuild_tensor_v2": _rebuild,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._utils._rebuild_device_tensor_from_numpy": _from_array,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch._tensor._rebuild_from_type": _from_type,
    "torch.Size": _tuple,
    "torch.storage.TypedStorage": _first,
    "torch.storage._TypedStorage": _first,
    "collections.OrderedDict": Entries,
    "collections.defaultdict": Entries,
    "collections.Counter": Entries,
    "_codecs.encode": _encode,
    "builtins.bytes": _bytes,
    "__builtin__.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "builtins.set": _set,
    "__builtin__.set": _set,
    "builtins.frozenset": _set,
    "__builtin__.frozenset": _set,
    "copyreg._reconstructor": _object,
    "copy_reg._reconstructor": _object,
    "numpy.ndarray": Array,
    "numpy.dtype": Dtype,
    **{
        f"numpy.{core}.{name}": Array
        for core in ("core", "_core")
        for name in ("multiarray._reconstruct", "numeric._frombuffer")
    },
}


def _text(value: object) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
