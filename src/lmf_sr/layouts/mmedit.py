"""The layout of CiaoSR's repository (mmcv, MMEditing) and of MMagic: `{"meta": ..., "state_dict": weights, ...}`.

The weights stand under `generator.`, beside those of losses and discriminators; `generator_ema.`, an average over training,
is preferred. There is no machine-readable configuration, so method and options follow from the names and sizes of the
weights, and the normalisation from the training's own configuration in `meta`, if it is there as text.

Their networks see x' = (v - mean) / std for RGB v in [0, 1], by default with DIV2K's mean and a std of 1, and predict in the
same units. Ours see x = 2 v - 1. With c = 2 mean - 1, the mean in our units,

    x' = (x - c) / (2 std)            first layer:  W x' = (W / 2 std) (x - c)
    v  = std y' + mean                last layer:   y = 2 v - 1 = 2 std y' + c      (2 std y' where the LR image is added)

Zero padding stands for x' = 0, hence x = c. So the subtraction stays, before the padding (`encoders/centring.py`), and the
rest is folded into the weights. Pixels at the border are then the same, too.
"""

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.layouts.authors import our_name
from lmf_sr.layouts.names import CROSS_SCALE, DERIVED, renamed, unwrapped

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)  # RGB of the training photographs, as the repositories' configurations state it
NO_STD = (1.0, 1.0, 1.0)
GENERATORS = ("generator_ema.", "generator.")

_METHODS = {  # a beginning that tells the method: our name, and the new beginnings of its parameters' names by the old ones
    "imnet_q.": (
        "ciaosr",
        {"imnet_q.": "rgb_mlp.", "imnet_k.": "key_mlp.", "imnet_v.": "value_mlp.", **CROSS_SCALE},
    ),
    "imnet.": ("liif", {"imnet.": "mlp."}),
}
_LAST_MLP = {"ciaosr": "rgb_mlp", "liif": "mlp"}
_ADDS_LR = {"ciaosr": True, "liif": False}
_ENCODERS: dict[str, dict[str, str]] = {  # encoder: patterns of its parameters' names, and ours
    "edsr-baseline": {
        r"conv_first\.": "head.",
        r"body\.(\d+)\.conv1\.": r"body.\1.body.0.",
        r"body\.(\d+)\.conv2\.": r"body.\1.body.2.",
    },
    "rdn": {
        r"sfe(\d)\.": r"SFENet\1.",
        r"rdbs\.(\d+)\.layers\.(\d+)\.conv\.": r"RDBs.\1.convs.\2.conv.0.",
        r"rdbs\.(\d+)\.lff\.": r"RDBs.\1.LFF.",
        r"gff\.": "GFF.",
    },
    "swinir": {
        r"(conv_first|norm|conv_after_body|conv_before_upsample\.0)\.": r"\1.",
        r"patch_embed\.norm\.": "norm_first.",
        r"layers\.(\d+)\.residual_group\.": r"layers.\1.",
        r"layers\.(\d+)\.conv\.": r"layers.\1.conv.",
    },
}
_FIRST = {"edsr-baseline": "head", "rdn": "SFENet1", "swinir": "conv_first"}


def is_mmedit(content: Mapping[str, Any]) -> bool:
    """Whether the content of a file has weights under a generator's name."""
    weights = content.get("state_dict")
    return isinstance(weights, Mapping) and any(name.startswith(GENERATORS) for name in unwrapped(weights))


def from_mmedit(content: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and weights, in our names and for our normalisation, from content that `is_mmedit`.

    Raises InputError for a method or an encoder that is not known here.
    """
    everything = unwrapped(content["state_dict"])
    prefix = next(p for p in GENERATORS if any(name.startswith(p) for name in everything))
    theirs = unwrapped({name.removeprefix(prefix): w for name, w in everything.items() if name.startswith(prefix)})
    theirs = {name: value for name, value in theirs.items() if not any(part in name for part in DERIVED)}
    if broken := [name for name, value in theirs.items() if not isinstance(value, Tensor)]:
        raise InputError(f"{path} holds no weights under {', '.join(broken[:4])}: it is damaged or of another kind")
    encoder = _encoder_of(theirs)
    method = next((m for m in _METHODS if any(name.startswith(m) for name in theirs)), None)
    if method is None and all(_our_name(name, encoder, {}).startswith("encoder.") for name in theirs):
        method = "imnet_q."  # the encoder of an incomplete file, whose missing weights will be named
    if method is None:
        named = sorted({name.partition(".")[0] for name in theirs})
        raise InputError(
            f"{path} holds the weights {', '.join(named)} of a generator, but neither CiaoSR's imnet_q nor LIIF's imnet: no "
            "other method of this layout is known here"
        )
    decoder, renames = _METHODS[method]
    weights = {_our_name(name, encoder, renames): value for name, value in theirs.items()}
    if encoder == "edsr-baseline":
        weights = _with_last_of_body(weights)
    sizes = {name: tuple(value.shape) for name, value in weights.items()}
    encoder_options = _encoder_options(encoder, sizes, content)
    decoder_options = _decoder_options(_LAST_MLP[decoder], sizes)
    config: dict[str, Any] = {
        "encoder": {"name": encoder, **encoder_options},
        "decoder": {"name": decoder, **decoder_options},
    }
    mean, std = normalisation(content)
    centre = _fold(weights, f"encoder.{_FIRST[encoder]}", f"decoder.{_LAST_MLP[decoder]}", mean, std, _ADDS_LR[decoder])
    if any(centre):
        config["encoder"]["centre"] = centre
    return config, weights


def normalisation(content: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std of RGB in [0, 1] by which a file's network sees pictures: as the configuration in `meta` says, as
    `rgb_mean` (MMEditing) or as MMagic's data preprocessor in units of 1/255; DIV2K's mean and 1 where it says nothing."""
    text = _configuration(content)
    mean, std = _stated(text, "rgb_mean"), _stated(text, "rgb_std")
    if mean or std:
        return mean or DIV2K_MEAN, std or NO_STD
    preprocessor = text[text.find("data_preprocessor") :] if "data_preprocessor" in text else ""
    mean, std = _stated(preprocessor, "mean"), _stated(preprocessor, "std")
    if mean and std:
        return tuple(value / 255 for value in mean), tuple(value / 255 for value in std)
    return DIV2K_MEAN, NO_STD


def _configuration(content: Mapping[str, Any]) -> str:
    """The training's configuration, as the text that mmcv and MMEngine keep in `meta`; empty if there is none."""
    meta = content.get("meta")
    texts = [meta.get(key) for key in ("config", "cfg")] if isinstance(meta, Mapping) else []
    return next((text for text in texts if isinstance(text, str)), "")


def _stated(text: str, name: str) -> tuple[float, ...] | None:
    """Three numbers that a configuration's text assigns to a name; None where it does not."""
    found = re.search(rf"""\b{name}['"]?\s*[=:]\s*([\[(][-+\d.eE,\s]*[\])])""", text)
    values = ast.literal_eval(found[1]) if found else ()
    return tuple(float(value) for value in values) if len(values) == 3 else None


def _encoder_of(names: Mapping[str, Any]) -> str:
    if any(name.startswith("rdbs.") for name in names):
        return "rdn"
    if any(".residual_group." in name for name in names):
        return "swinir"
    return "edsr-baseline"


def _our_name(name: str, encoder: str, decoder_renames: Mapping[str, str]) -> str:
    """Our name of a parameter. An unknown one keeps its name, as the decoder's, so that `checkpoints.check_fit` reports
    it."""
    if name.startswith("encoder."):  # LIIF's own encoders, in this layout
        return our_name(name, {})
    for pattern, ours in _ENCODERS[encoder].items():
        if match := re.match(pattern, name):
            return f"encoder.{match.expand(ours)}{name[match.end() :]}"
    if encoder == "edsr-baseline" and name.startswith("conv_after_body."):
        return f"encoder.{name}"
    return "decoder." + renamed(name, decoder_renames)


def _with_last_of_body(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """EDSR's convolution after its blocks stands behind them in our `body`."""
    last = _count(weights, r"encoder\.body\.(\d+)\.body\.")
    return {name.replace("encoder.conv_after_body.", f"encoder.body.{last}."): w for name, w in weights.items()}


def _encoder_options(encoder: str, sizes: Mapping[str, tuple[int, ...]], content: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the sizes tell; of an incomplete file some are left to their defaults."""
    if encoder == "rdn":
        growth, n_feats = sizes.get("encoder.RDBs.0.convs.0.conv.0.weight", (None, None))[:2]
        blocks, layers = (_count(sizes, pattern) for pattern in (r"encoder\.RDBs\.(\d+)\.", r".*\.convs\.(\d+)\."))
        return _known(n_blocks=blocks, n_layers=layers, growth=growth, n_feats=n_feats)
    if encoder == "swinir":
        biases, heads = sizes.get("encoder.layers.0.blocks.0.attn.relative_position_bias_table", (None, None))
        hidden, dim = sizes.get("encoder.layers.0.blocks.0.mlp.fc1.weight", (None, None))
        last = sizes.get("encoder.conv_before_upsample.0.weight", (None,))[0]
        return _known(
            n_blocks=_count(sizes, r"encoder\.layers\.(\d+)\."),
            n_layers=_count(sizes, r".*\.blocks\.(\d+)\."),
            dim=dim,
            heads=heads,
            window=biases and (round(biases**0.5) + 1) // 2,  # (2 window - 1)^2 relative positions
            mlp_ratio=hidden and dim and hidden // dim,
        ) | {"out_dim": last}
    scale = re.search(r"res_scale['\"]?\s*[=:]\s*([\d.]+)", _configuration(content))
    return _known(
        n_resblocks=_count(sizes, r"encoder\.body\.(\d+)\.body\."),
        n_feats=sizes.get("encoder.head.weight", (None,))[0],
        res_scale=float(scale[1]) if scale else 1.0,
    )


def _decoder_options(mlp: str, sizes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    layers = _count(sizes, rf"decoder\.{mlp}\.layers\.(\d+)\.weight")  # linear layers and the ReLUs between them
    return _known(width=sizes.get(f"decoder.{mlp}.layers.0.weight", (None,))[0], depth=layers and (layers - 1) // 2)


def _known(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value}


def _count(names: Mapping[str, Any], pattern: str) -> int:
    """The number of things that the names number from 0."""
    return max((int(match[1]) + 1 for name in names if (match := re.match(pattern, name))), default=0)


def _fold(
    weights: dict[str, Tensor], first: str, mlp: str, mean: tuple[float, ...], std: tuple[float, ...], adds_lr: bool
) -> list[float]:
    """Folds the normalisation into the weights, in place, as far as they are there; returns c, one number a colour."""
    centre = [2 * m - 1 for m in mean]
    gain = 2 * torch.tensor(std, dtype=torch.float64)
    numbers = [int(n.split(".")[-2]) for n in weights if n.startswith(f"{mlp}.layers.")]
    last = f"{mlp}.layers.{max(numbers, default=0)}"
    shift = 0 if adds_lr else torch.tensor(centre, dtype=torch.float64)
    for name, scale, offset in (
        (f"{first}.weight", 1 / gain[:, None, None], 0),
        (f"{last}.weight", gain[:, None], 0),
        (f"{last}.bias", gain, shift),
    ):
        if name in weights:
            weights[name] = (weights[name].double() * scale + offset).to(weights[name].dtype)
    return centre
