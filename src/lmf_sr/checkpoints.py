"""Models from files and to files; the only place that knows formats other than ours.

- an *export*: safetensors, with the model's configuration as JSON in the header's metadata;
- a Lightning checkpoint of `lmf-sr train`;
- the authors' `.pth` of the LIIF, LTE, CiaoSR and LMF repositories: `{"model": {"name", "args", "sd"}, ...}`.

No file is ever unpickled freely: `.pth` and `.ckpt` are read with `weights_only=True`.
"""

from __future__ import annotations

import json
import pickle
import re
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
from lmf_sr.model import Model

FORMAT = "lmf-sr/1"
WEIGHTS = Path(__file__).parent / "weights"  # what ships: NAME.safetensors, its calibration and model card
DEFAULT_MODEL = "edsr-baseline-lm-liif"


def load(source: str | Path = DEFAULT_MODEL) -> Model:
    """Loads a model, in evaluation mode, on the CPU.

    Args:
        source: a shipped model's name, or a file: an export (.safetensors), a Lightning checkpoint (.ckpt) or the
            authors' format (.pth).

    Raises:
        InputError: no such file or name; a file of another kind; a pickle that would run code; weights that do not fit.
    """
    path = checkpoint_file(source)
    config, weights = _read_export(path) if path.suffix == ".safetensors" else _read_pickled(path)
    for part, options in config.items():
        if not isinstance(options, Mapping):
            raise InputError(f"{path} holds no usable configuration: its {part} is {options!r}")
    model = build(**config)
    check_fit(model, weights, path)
    model.load_state_dict(weights)
    return model.eval()


def checkpoint_file(source: str | Path) -> Path:
    """The file of what `load` takes: itself, or that of the shipped model of this name. Raises InputError for neither."""
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
    """The names `load` takes without a file."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def export(model: Model, path: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes a model as safetensors with its configuration inside; atomically. Of any `dtype`, it is loaded as float32.

    Raises InputError if a weight is not finite, or not in `dtype`.
    """
    weights = {name: value.detach().to("cpu", dtype).contiguous() for name, value in model.state_dict().items()}
    if spoilt := [name for name, value in weights.items() if not value.isfinite().all()]:
        raise InputError(
            f"{path} is not written: as {dtype}, {', '.join(spoilt)} would hold values that are not finite"
        )
    with replacing(path) as file:
        file.write(save(weights, {"format": FORMAT, "config": json.dumps(model.config)}))


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
        return {"encoder": config["encoder"], "decoder": config["decoder"]}, weights
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} holds no usable configuration: {error!r}") from error


def unpickle(path: Path) -> Any:
    """What a pickled file holds, read as data. Raises InputError if it cannot be read, or would run code."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler of a damaged file may raise anything
        if isinstance(error, pickle.UnpicklingError) and re.search("GLOBAL|Unsupported (global|class)", str(error)):
            raise InputError(f"{path} is refused: its pickle asks to run code, not only to hold weights") from error
        raise InputError(f"{path} is not a readable checkpoint: it is damaged or of another kind") from error


def _read_pickled(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    content = unpickle(path)
    if isinstance(content, Mapping) and "model" in content:
        return from_authors(content["model"], path)
    if isinstance(content, Mapping) and "state_dict" in content:
        prefix = "model."
        weights = {k.removeprefix(prefix): v for k, v in content["state_dict"].items() if k.startswith(prefix)}
        try:
            config = content["hyper_parameters"]["model"]
            return {"encoder": config["encoder"], "decoder": config["decoder"]}, weights
        except (KeyError, TypeError) as error:
            raise InputError(f"{path} is a Lightning checkpoint, but not one of lmf-sr train") from error
    raise InputError(
        f"{path} holds neither an lmf-sr checkpoint nor the authors' {{'model': {{'name', 'args', 'sd'}}}}"
    )


def check_fit(model: Model, weights: Mapping[str, Tensor], path: str | Path) -> None:
    """Raises InputError, naming them, unless the weights are those of the model, all of them and no others."""
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


# The authors' format

_CROSS_SCALE = {
    "cs_attn.conv_assembly.": "cross_scale.embed.",
    "cs_attn.conv_match_1.": "cross_scale.match.",
    "cs_attn.conv_match_2.": "cross_scale.reference.",
    "cs_attn.down.": "cross_scale.down.",
}
_ATTENTION = {"imnet_k.": "key_mlp.", "imnet_v.": "value_mlp.", **_CROSS_SCALE}
_LMF = {"hypernet.": "latent_mlp.", "imnet.": "render_mlp."}
_METHODS = {  # their name: our name, and how their parameters' prefixes are renamed
    "liif": ("liif", {"imnet.": "mlp."}),
    "lte": ("lte", {"imnet.": "mlp."}),
    "ciaosr": ("ciaosr", {"imnet_q.": "rgb_mlp.", **_ATTENTION}),
    "lmliif": ("lm-liif", _LMF),
    "lmlte": ("lm-lte", {"imphase.": "render_phase.", **_LMF}),
    "lmciaosr": (
        "lm-ciaosr",
        {"prenet_q.": "query_mlp.", "hypernet_q.": "latent_mlp.", "imnet_q.": "render_mlp.", **_ATTENTION},
    ),
}
_ENCODERS = {  # the same for encoders: parts of their parameters' names
    "encoder.head.0.": "encoder.head.",
    "encoder.patch_embed.norm.": "encoder.norm_first.",
    ".residual_group.": ".",
}
_DERIVED = (  # frozen or computed: not weights of the model
    "sub_mean.",
    "add_mean.",
    "cs_attn.escape_NaN",
    ".attn_mask",
    ".relative_position_index",
)
_FIXED = {  # all we implement
    "local_ensemble": True,
    "feat_unfold": True,
    "cell_decode": True,
    "mod_input": True,
    "local_size": 2,
    "non_local_attn": True,
    "multi_scale": [2],
    "softmax_scale": 1,
}
_RDN = {"A": "rdn-small", "B": "rdn"}


def from_authors(model: Any, path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and weights, in our names, of the authors' `{"name", "args", "sd"}`."""
    match model:
        case {"name": str(name), "args": Mapping() as args, "sd": Mapping() as weights}:
            pass
        case _:
            raise InputError(f"{path} is not in the authors' format: 'model' holds no name, args and sd")
    if name not in _METHODS:
        raise InputError(f"{path} holds the method {name!r}; known are {', '.join(_METHODS)}")
    for option, value in _FIXED.items():
        if args.get(option, value) != value:
            raise InputError(f"{path} was trained with {option}={args[option]}; only {value} is implemented")
    decoder, renames = _METHODS[name]
    try:
        config = {
            "encoder": _encoder_config(args),
            "decoder": {"name": decoder, **_decoder_options(name, args, weights)},
        }
    except KeyError as error:
        raise InputError(f"{path} lacks {error}, which method {name!r} needs") from error
    except (TypeError, AttributeError, IndexError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} describes method {name!r} in a way that makes no sense: {error}") from error
    return config, {
        _renamed(key, renames): value for key, value in weights.items() if not any(part in key for part in _DERIVED)
    }


def _encoder_config(args: Mapping[str, Any]) -> dict[str, Any]:
    spec = args["encoder_spec"] if "encoder_spec" in args else args["encoder"]
    name, given = spec["name"], spec.get("args") or {}
    if name == "rdn":
        return {"name": _RDN[given.get("RDNconfig", "B")]}
    options = {key: given[key] for key in ("n_resblocks", "n_feats", "res_scale") if key in given}
    return {"name": name, **options}


def _decoder_options(name: str, args: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """From the arguments, and from the weights' sizes where the arguments may leave them to a default."""
    render = (args.get("imnet_spec") or args["imnet_q"])["args"]
    options: dict[str, Any] = {}
    if name in ("lte", "lmlte"):
        options["fourier_dim"] = len(weights["coef.weight"])
    if name == "lmciaosr":
        options["attention_width"] = len(weights["imnet_k.layers.0.weight"])
    if not name.startswith("lm"):
        hidden = render["hidden_list"]
        return {"depth": len(hidden), "width": hidden[0], **options}
    depth, width = render["hidden_depth"], render["hidden_dim"]
    latent_mlp = "hypernet_q" if name == "lmciaosr" else "hypernet"
    latent_out, latent_hidden = weights[f"{latent_mlp}.layers.2.weight"].shape
    code_dim = latent_out - 2 * depth * width
    return {"depth": depth, "width": width, "code_dim": code_dim, "hidden": latent_hidden, **options}


def _renamed(key: str, renames: Mapping[str, str]) -> str:
    if key.startswith("encoder."):
        for theirs, ours in _ENCODERS.items():
            key = key.replace(theirs, ours)
        return key
    for theirs, ours in renames.items():
        if key.startswith(theirs):
            return "decoder." + ours + key.removeprefix(theirs)
    return "decoder." + key
