"""The devices that models compute on."""

import torch

from lmf_sr.errors import InputError


def device_named(name: str) -> torch.device:
    """The device of a name such as cpu, cuda, cuda:1 or mps; `auto` is a GPU where there is one, NVIDIA's or Apple's.

    Raises InputError for a device that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} is not available here: {str(error).splitlines()[0]}") from error
