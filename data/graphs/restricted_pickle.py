"""Reading the pickles in which Planetoid's arrays come, without running what else a pickle may hold."""

from pathlib import Path
from typing import Any, ClassVar

import scipy.sparse

from graphreel.core.restricted_pickle import ArrayNames, Rebuild, Record, RefusedError, read_restricted


def read_pickle(path: Path) -> Any:
    """Read a pickle that holds nothing but numbers, text, lists, dictionaries, numpy arrays and scipy CSR matrices.

    CSR matrices are rebuilt and their indices checked, since scipy's products trust them.

    Raises:
        ValueError: another name, or a damaged file.
    """
    try:
        return read_restricted(path.read_bytes(), _PlanetoidNames(), encoding="latin1")
    except RefusedError as error:
        raise ValueError(f"{path.name} is refused: it asks for {error}, but only arrays and numbers are read") from None
    except Exception as error:  # a damaged pickle fails in any way
        raise ValueError(f"{path.name} is damaged: {type(error).__name__}: {error}") from error


def _matrix(record: Record, rebuild: Rebuild) -> scipy.sparse.csr_matrix:
    state = rebuild(record.state)
    parts = tuple(state[key] for key in ("data", "indices", "indptr"))
    matrix = scipy.sparse.csr_matrix(parts, shape=tuple(state["_shape"]))
    matrix.check_format(full_check=True)
    return matrix


class _PlanetoidNames(ArrayNames):
    # what scipy calls its module, old and new
    builders: ClassVar = ArrayNames.builders | {
        f"scipy.sparse.{module}.{kind}": _matrix for module in ("csr", "_csr") for kind in ("csr_matrix", "csr_array")
    }
