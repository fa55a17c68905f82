"""Models from files and to files.

- an *export*: safetensors, with the configuration as JSON in the header's metadata, of a model or of an encoder alone;
- a Lightning checkpoint of `lmf-sr train`;
- a `.pth` of another repository (`layouts/`).

No file is ever unpickled freely (`unpickling.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lmf_sr.atomic import replacing
from lmf_sr.building import build
from lmf_sr.errors import InputError
from lmf_sr.layouts.authors import from_authors
from lmf_sr.layouts.mmedit import from_mmedit, is_mmedit
from lmf_sr.layouts.names import unwrapped
from lmf_sr.layouts.rlfn import from_rlfn, is_rlfn
from lmf_sr.model import Model
from lmf_sr.unpickling import unpickle

FORMAT = "lmf-sr/1"
WEIGHTS = Path(__file__).parent / "weights"  # the shipped models: NAME.safetensors, its calibration and model card
DEFAULT_MODEL = "rlfn-lm-liif"


def load(source: str | Path = DEFAULT_MODEL) -> Model:
    """Loads a model, in evaluation mode, on the CPU.

    Args:
        source: a shipped model's name, or a file: an export (.safetensors), a Lightning checkpoint (.ckpt) or another
            repository's checkpoint (.pth).

    Raises:
        InputError: no such file or name; a file of another kind; a pickle that would run code; weights that do not fit.
    """
    path = checkpoint_file(source)
    config, weights = read(path)
    if "decoder" not in config:
        encoder = config["encoder"]["name"]
        raise InputError(
            f"{path} holds an encoder alone: train a decoder behind it, as with lmf-sr train encoder={encoder} "
            f"decoder=lm-liif init={path}"
        )
    model = build(**config)
    check_fit(model, weights, path)
    model.load_state_dict(weights)
    return model.eval()


def initialise(model: Model, source: str | Path) -> None:
    """Gives a model the weights of a file, or the encoder's where the file holds an encoder alone.

    Args:
        source: as for `load`.

    Raises:
        InputError: as `load`; a file of another architecture.
    """
    path = checkpoint_file(source)
    config, weights = read(path)
    if "decoder" not in config:
        weights = {name: w for name, w in model.state_dict().items() if name.startswith("decoder.")} | weights
    check_fit(model, weights, path)
    model.load_state_dict(weights)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The configuration and the weights that a file holds, of a model or of an encoder alone. Raises InputError."""
    config, weights = _read_export(path) if path.suffix == ".safetensors" else _read_pickled(path)
    for part, options in config.items():
        if not isinstance(options, Mapping):
            raise InputError(f"{path} holds no usable configuration: its {part} is {options!r}")
    return config, weights


def checkpoint_file(source: str | Path) -> Path:
    """The file that `load` reads for a source: the source itself, or the shipped model of this name. Raises InputError if
    there is neither."""
    if Path(source).is_file():
        return Path(source)
    if str(source) in shipped_models():
        return WEIGHTS / f"{source}.safetensors"
    shipped = ", ".join(shipped_models()) or "none"
    raise InputError(
        f"there is no checkpoint file {str(source)!r} and no shipped model of that name (shipped: {shipped}): "
        "name one or the other"
    )


def shipped_models() -> list[str]:
    """The names that `load` takes without a file."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def export(model: Model, path: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes a model as safetensors with its configuration inside, atomically. Whatever its `dtype`, it loads as float32.

    Raises InputError if a weight is not finite, or not in `dtype`.
    """
    export_weights(model.config, model.state_dict(), path, dtype)


def export_weights(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], path: str | Path, dtype: torch.dtype = torch.float32
) -> None:
    """`export` from a configuration and weights as `read` returns them, of a model or of an encoder alone."""
    weights = {name: value.detach().to("cpu", dtype).contiguous() for name, value in weights.items()}
    if spoilt := [name for name, value in weights.items() if not value.isfinite().all()]:
        raise InputError(
            f"{path} is not written: as {dtype}, {', '.join(spoilt)} would hold values that are not finite"
        )
    with replacing(path) as file:
        file.write(save(weights, {"format": FORMAT, "config": json.dumps(config)}))


def _read_export(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is not a readable safetensors file: {error}") from error
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} has format {metadata.get('format')!r}, not {FORMAT!r}: it was not exported by lmf-sr")
    try:
        config = json.loads(metadata["config"])
        return {part: config[part] for part in ("encoder", "decoder") if part == "encoder" or part in config}, weights
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} holds no usable configuration: {error!r}") from error


def _read_pickled(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    content = unpickle(path)
    if is_rlfn(content):
        return from_rlfn(content, path)
    if isinstance(content, Mapping) and "model" in content:
        return from_authors(content["model"], path)
    if isinstance(content, Mapping) and is_mmedit(content):
        return from_mmedit(content, path)
    if isinstance(content, Mapping) and "state_dict" in content:
        return _from_lightning(content, path)
    raise InputError(
        f"{path} holds neither an lmf-sr checkpoint, nor {{'model': {{'name', 'args', 'sd'}}}} as the LIIF, LTE and LMF "
        "repositories write it, nor {'state_dict': {'generator. ...'}} as CiaoSR's and MMagic do, nor the weights of RLFN"
    )


def _from_lightning(content: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    prefix = "model."
    weights = {k.removeprefix(prefix): v for k, v in content["state_dict"].items() if k.startswith(prefix)}
    try:
        config = content["hyper_parameters"]["model"]
        return {"encoder": config["encoder"], "decoder": config["decoder"]}, unwrapped(weights)
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is a Lightning checkpoint, but not one of lmf-sr train") from error


def check_fit(model: Model, weights: Mapping[str, Tensor], path: str | Path) -> None:
    """Raises InputError, which names the weights that do not fit, unless all are the model's and none is missing."""
    own = model.state_dict()
    shapes = {name: getattr(value, "shape", None) for name, value in weights.items()}
    problems = {
        "is missing": sorted(own.keys() - shapes.keys()),
        "has the unknown": sorted(shapes.keys() - own.keys()),
        "has the wrong shape for": sorted(k for k in own.keys() & shapes.keys() if own[k].shape != shapes[k]),
    }
    method = f"{model.config['decoder']['name']} on {model.config['encoder']['name']}"
    for what, keys in problems.items():
        if keys:
            named = ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
            raise InputError(f"{path} does not fit {method}: it {what} {named}")
