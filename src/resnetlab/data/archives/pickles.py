"""A reader for pickles of plain containers and NumPy arrays, which runs nothing of what it reads.

The three names an array's pickle calls are answered by stand-ins of our own, so that not even
NumPy's constructors see what a stranger wrote; any other name is refused.
"""

import io
import pickle
import pickletools
import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from resnetlab.errors import DataError

_SETS = (pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET)


def read_pickle(content: bytes, where: str) -> Any:
    """Return the pickled object: containers, numbers, text, bytes, and arrays as `PickledArray`.

    What Python 2 wrote as `str` comes back as bytes.

    Raises:
        DataError: If the pickle is damaged or names anything but NumPy's array and dtype.
    """
    try:
        _refuse_far_memo(content)
        return _Reader(io.BytesIO(content), encoding="bytes").load()
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    except Exception as error:  # a hostile pickle can raise whatever the machine it drives can
        cause = f"{type(error).__name__}: {error}"
        raise DataError(f"{where}: not a readable pickle ({cause})") from error


def _refuse_far_memo(content: bytes) -> None:
    """Raise unless what a pickle keeps for later is numbered as it comes.

    The standard reader makes a table up to the largest number, so that nine bytes ask for gigabytes.
    """
    for operation, argument, _ in pickletools.genops(content):
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(content):
            raise DataError(f"not a readable pickle (it numbers an object {argument})")


class PickledArray:
    """What a pickle says about an array, before anything is made of it."""

    state: Any = None

    def __init__(self, *_: object) -> None:
        """Take the arguments of NumPy's `_reconstruct`, which say nothing: (ndarray, (0,), b"b")."""

    def __setstate__(self, state: object) -> None:
        self.state = state

    def to_array(self) -> npt.NDArray[Any]:
        """Return the array, read-only.

        Raises:
            ValueError: If type, shape and bytes do not describe an array of numbers.
        """
        try:
            _, shape, dtype, is_fortran, content = self.state
            flat = np.frombuffer(content, dtype.to_dtype())
            return flat.reshape(shape, order="F" if is_fortran else "C")
        except (TypeError, AttributeError) as error:
            raise ValueError(f"not an array of numbers: {error}") from error


class PickledDtype:
    """What a pickle says about a dtype: a letter, a size, and the byte order in its state."""

    code: Any = None
    state: Any = (3, "|")

    def __init__(self, code: object = None, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        self.state = state

    def to_dtype(self) -> np.dtype[Any]:
        """Return the dtype, which is one of plain numbers; raise ValueError if it is not."""
        if not isinstance(self.state, tuple) or len(self.state) < 2:
            raise ValueError("a type of numbers is described by something else")
        text = _text(self.state[1]) + _text(self.code)
        if not re.fullmatch(r"[<>=|]([iuf][1248]|b1)", text):
            raise ValueError(f"arrays of {text} are not read")
        return np.dtype(text)


def _text(value: object) -> str:
    """Return a text; of lists within lists, which may hold each other many times, none is made."""
    if not isinstance(value, bytes | str):
        raise ValueError(f"a type of numbers is called by a {type(value).__name__}")
    return value.decode("latin-1") if isinstance(value, bytes) else value


class _Reader(pickle._Unpickler):
    """The standard unpickler, with all it may look up written here, and keys that are texts or numbers.

    The hash of a tuple is made of all that is in it: of forty of them, each of which holds the one before
    twice, it is never done. So there are no sets either.
    """

    def _load_setitem(self) -> None:
        self._refuse_other_keys(self.stack[-2:-1])  # type: ignore[attr-defined]
        super().load_setitem()  # type: ignore[misc]

    def _load_setitems(self) -> None:
        self._refuse_other_keys(self.stack[::2])  # type: ignore[attr-defined]
        super().load_setitems()  # type: ignore[misc]

    def _load_dict(self) -> None:
        self._refuse_other_keys(self.stack[::2])  # type: ignore[attr-defined]
        super().load_dict()  # type: ignore[misc]

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{code: load for code, load in pickle._Unpickler.dispatch.items() if bytes([code]) not in _SETS},
        pickle.SETITEM[0]: _load_setitem,
        pickle.SETITEMS[0]: _load_setitems,
        pickle.DICT[0]: _load_dict,
    }

    def _refuse_other_keys(self, keys: Sequence[object]) -> None:
        for key in keys:
            if not isinstance(key, bytes | str | int):
                raise DataError(f"not a readable pickle (a key is a {type(key).__name__}, no text or number)")

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return PickledArray
        if module == "numpy" and name in ("ndarray", "dtype"):
            return PickledDtype if name == "dtype" else "ndarray"
        raise DataError(
            f"the pickle asks for {module}.{name}; only NumPy arrays and plain containers are read"
        )
