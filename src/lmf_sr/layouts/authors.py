"""The layout of the LIIF, LTE and LMF repositories: `{"model": {"name": ..., "args": ..., "sd": weights}, ...}`.

The method and its options follow from `name` and `args`, and from the sizes of the weights where `args` leave an option
at its default. Networks see RGB in [-1, 1], as ours do, so the weights are taken as they are, under other names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.layouts.names import CROSS_SCALE, DERIVED, renamed, unwrapped

_ATTENTION = {"imnet_k.": "key_mlp.", "imnet_v.": "value_mlp.", **CROSS_SCALE}
_LMF = {"hypernet.": "latent_mlp.", "imnet.": "render_mlp."}
_METHODS = {  # their method's name: our name, and the new beginnings of its parameters' names by the old ones
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
_ENCODERS = {  # the same for the encoders, inside a parameter's name
    "encoder.head.0.": "encoder.head.",
    "encoder.patch_embed.norm.": "encoder.norm_first.",
    ".residual_group.": ".",
}
_FIXED = {  # the only values that are implemented
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
            weights = unwrapped(weights)
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
        our_name(key, renames): value for key, value in weights.items() if not any(part in key for part in DERIVED)
    }


def _encoder_config(args: Mapping[str, Any]) -> dict[str, Any]:
    spec = args["encoder_spec"] if "encoder_spec" in args else args["encoder"]
    name, given = spec["name"], spec.get("args") or {}
    if name == "rdn":
        return {"name": _RDN[given.get("RDNconfig", "B")]}
    options = {key: given[key] for key in ("n_resblocks", "n_feats", "res_scale") if key in given}
    return {"name": name, **options}


def _decoder_options(name: str, args: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """The decoder's options."""
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


def our_name(key: str, renames: Mapping[str, str]) -> str:
    """Our name of a parameter; `renames` are those of its decoder."""
    if key.startswith("encoder."):
        for theirs, ours in _ENCODERS.items():
            key = key.replace(theirs, ours)
        return key
    return "decoder." + renamed(key, renames)
