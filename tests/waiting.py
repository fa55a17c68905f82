"""Finds what makes a program wait for its device, without one: tensors lie on "meta", where nothing can be asked for.

A number or a size that is asked of a meta tensor raises by itself. What is sent to a device is waited for too, unless it is
sent by `to(device, non_blocking=True)`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

MAKING = (torch.tensor, torch.as_tensor, torch.asarray, torch.Tensor.new_tensor)


@contextmanager
def never_waiting() -> Iterator[None]:
    """Raises AssertionError where something is sent to a meta device, or fetched, so that a GPU would be waited for."""
    with _Numbers(), _Tensors():
        yield


class _Numbers(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        assert func not in MAKING or made.device.type != "meta", "numbers are made a tensor of the device"
        return made


class _Tensors(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = dict(kwargs or {})
        out = func(*args, **options)
        name = func._schema.name.partition("::")[2]
        if name == "_to_copy":
            assert out.device == args[0].device or options.get("non_blocking"), "a tensor is sent, or fetched"
        elif name == "copy_":
            non_blocking = options.get("non_blocking", len(args) > 2 and args[2])
            assert args[0].device == args[1].device or non_blocking, "a tensor is sent, or fetched"
        return out
