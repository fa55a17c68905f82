"""Pickled files read as data: tensors, plain Python values and NumPy numbers, never code.

`torch.load(weights_only=True)` builds only what it knows. NumPy's numbers and arrays, in which training scripts keep their
best PSNR, hold no code either and are allowed as well; arrays of Python objects are not.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lmf_sr.errors import InputError

_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")  # their names in NumPy 1 and 2
_NUMPY: list[Any] = [
    np.dtype,
    np.ndarray,
    *((np._core.multiarray.scalar, f"{module}.scalar") for module in _MODULES),  # type: ignore[attr-defined]
    *((np._core.multiarray._reconstruct, f"{module}._reconstruct") for module in _MODULES),  # type: ignore[attr-defined]
    *{type(np.dtype(code)) for code in (*np.typecodes["AllInteger"], *np.typecodes["Float"], "?", "S", "U")},
]
"""The globals that NumPy's pickles of numbers and text, and of arrays of them, ask for."""


def unpickle(path: Path) -> Any:
    """The content of a pickled file. Raises InputError if it cannot be read as data."""
    try:
        with torch.serialization.safe_globals(_NUMPY):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler of a damaged file may raise anything
        name = re.search(r"(?:GLOBAL|[Uu]nsupported (?:global|class):?) ([\w.]+)", str(error))
        if name and isinstance(error, pickle.UnpicklingError):
            raise InputError(
                f"{path} is refused: its pickle asks for {name[1]}, which is no weight and might run code; if you trust "
                "its source, write the weights alone where it was made: file = torch.load(OLD, weights_only=False); "
                "torch.save({key: file[key] for key in ('model', 'state_dict', 'hyper_parameters') if key in file}, NEW)"
            ) from error
        raise InputError(f"{path} is not a readable checkpoint: it is damaged or of another kind") from error
