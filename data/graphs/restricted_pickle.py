"""Reading the pickles in which Planetoid's arrays come, without running what else a pickle may hold."""

import collections
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

# what numpy and scipy call these modules, under Python 2 and 3, old and new
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_SPARSE = ("scipy.sparse.csr", "scipy.sparse._csr")


def read_pickle(path: Path) -> Any:
    """Read a pickle that holds nothing but numbers, text, lists, dictionaries, numpy arrays and scipy CSR matrices.

    A pickle is a program: it names functions and calls them. Here a name is looked up in a short fixed list, and
    whatever else it asks for is refused before anything is called. CSR matrices are rebuilt and their indices checked,
    since scipy's products trust them.

    Raises:
        ValueError: a name outside the list, or a damaged file.
    """
    content = path.read_bytes()
    try:
        return _rebuilt(_Unpickler(io.BytesIO(content), encoding="latin1").load())
    except _RefusedError as error:
        raise ValueError(f"{path.name} is refused: it asks for {error}, but only arrays and numbers are read") from None
    except Exception as error:  # a damaged pickle fails in any way
        raise ValueError(f"{path.name} is damaged: {type(error).__name__}: {error}") from error


class _RefusedError(Exception):
    """Carries the refused name."""


class _StoredRows:
    """Receives the attributes of a pickled CSR matrix."""


class _Unpickler(pickle.Unpickler):
    # A pickle may call what it is given in other ways than usual, and set attributes on it. So it is given nothing of
    # numpy's or scipy's, but functions and classes made for this one lookup.

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "ndarray"):
            return object()  # only ever an argument of _reconstruct, which makes nothing else
        if (module, name) == ("numpy", "dtype"):
            return lambda kind, *_: np.dtype(kind, copy=True)
        if module in _MULTIARRAY and name == "_reconstruct":
            return lambda _, shape, kind: np.ndarray(shape, kind)
        if module in _MULTIARRAY and name == "scalar":
            return lambda kind, value: np.frombuffer(_bytes(value), kind)[0]
        if module in _NUMERIC and name == "_frombuffer":
            return lambda buffer, kind, shape, order, *_: np.frombuffer(buffer, kind).reshape(shape, order=order)
        if module in _SPARSE and name in ("csr_matrix", "csr_array"):
            return type("Rows", (_StoredRows,), {})
        if (module, name) == ("collections", "defaultdict"):
            return collections.defaultdict
        if module in ("__builtin__", "builtins") and name == "list":
            return list
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return lambda text, _: _bytes(text)
        raise _RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError(f"the outside object {pid!r}")


def _bytes(value: str | bytes) -> bytes:
    return value.encode("latin1") if isinstance(value, str) else value


def _rebuilt(loaded: Any) -> Any:
    if not isinstance(loaded, _StoredRows):
        return loaded
    state = vars(loaded)
    values, indices, starts = (np.asarray(state[key]) for key in ("data", "indices", "indptr"))
    matrix = scipy.sparse.csr_matrix((values, indices, starts), shape=tuple(state["_shape"]))
    matrix.check_format(full_check=True)
    return matrix
