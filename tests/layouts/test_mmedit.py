"""CiaoSR's and MMagic's checkpoints: the network below is written here as those repositories describe it, in their names and
with their normalisation, and the imported model must draw the same picture, to its border."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lmf_sr
from lmf_sr.checkpoints import export, load
from lmf_sr.errors import InputError
from lmf_sr.geometry import Grid, sample_bilinear
from lmf_sr.layouts.mmedit import DIV2K_MEAN, normalisation
from lmf_sr.model import Model
from lmf_sr.plain import plain_form

C, BLOCKS = 8, 2


def weights_like(module: nn.Module, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(p.shape, generator=generator) * 0.1 for name, p in module.state_dict().items()}


def edsr_names(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our EDSR's weights in MMEditing's names."""
    theirs = {}
    for name, value in ours.items():
        name = re.sub(rf"^body\.{BLOCKS}\.", "conv_after_body.", name).replace("head.", "conv_first.")
        theirs[name.replace(".body.0.", ".conv1.").replace(".body.2.", ".conv2.")] = value
    return theirs


def rdn_names(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    theirs = {}
    for name, value in ours.items():
        name = name.replace("SFENet", "sfe").replace("RDBs.", "rdbs.").replace("GFF.", "gff.").replace("LFF.", "lff.")
        theirs[name.replace(".convs.", ".layers.").replace(".conv.0.", ".conv.")] = value
    return theirs


def swinir_names(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    theirs = {}
    for name, value in ours.items():
        name = name.replace("norm_first.", "patch_embed.norm.").replace(".blocks.", ".residual_group.blocks.")
        theirs[name] = value
    return theirs | {"layers.0.residual_group.blocks.1.attn_mask": torch.zeros(1)}


DECODERS = {
    "liif": {"mlp.": "imnet."},
    "ciaosr": {
        "rgb_mlp.": "imnet_q.",
        "key_mlp.": "imnet_k.",
        "value_mlp.": "imnet_v.",
        "cross_scale.embed.": "cs_attn.conv_assembly.",
        "cross_scale.match.": "cs_attn.conv_match_1.",
        "cross_scale.reference.": "cs_attn.conv_match_2.",
        "cross_scale.down.": "cs_attn.down.",
    },
}
ENCODERS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Tensor]], dict[str, Tensor]]]] = {
    "edsr-baseline": ({"n_resblocks": BLOCKS, "n_feats": C}, edsr_names),
    "rdn": ({"n_blocks": 2, "n_layers": 3, "growth": 4, "n_feats": C}, rdn_names),
    "swinir": (
        {"n_blocks": 1, "n_layers": 2, "dim": 12, "heads": 2, "window": 4, "out_dim": None},
        swinir_names,
    ),
}


def network(encoder: str, decoder: str) -> Model:
    """The network, with weights of its own, as it computes on its own normalisation."""
    model = lmf_sr.build({"name": encoder, **ENCODERS[encoder][0]}, {"name": decoder, "width": 16, "depth": 2}).eval()
    model.load_state_dict(weights_like(model, 0))
    return model


def their_names(model: Model) -> dict[str, Tensor]:
    encoder = ENCODERS[model.config["encoder"]["name"]][1](model.encoder.state_dict())
    decoder = {}
    for name, value in model.decoder.state_dict().items():
        for ours, theirs in DECODERS[model.config["decoder"]["name"]].items():
            if name.startswith(ours):
                decoder[theirs + name.removeprefix(ours)] = value
    return encoder | decoder


@torch.no_grad()
def their_picture(model: Model, lr: Tensor, height: int, width: int, mean: Tensor, std: Tensor) -> Tensor:
    """(lr - mean) / std through the network, whose convolutions pad that with zeros; times std, plus mean."""
    x = (lr - mean) / std
    coords = Grid.over(height, width).coords()[None]
    cell = torch.tensor([[[2 / height, 2 / width]]])
    decoder = plain_form(model.decoder)
    y = decoder.query(decoder.prepare(model.encoder(x), cell), coords)
    if model.decoder.lr_skip:
        y = y + sample_bilinear(x, coords)
    return y.transpose(1, 2).view(1, 3, height, width) * std + mean


def saved(tmp_path: Path, state: dict[str, Any], **beside: Any) -> Path:
    path = tmp_path / "theirs.pth"
    torch.save({"meta": {"iter": 10}, "state_dict": state, "optimizer": {}, **beside}, path)
    return path


def under(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in weights.items()}


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("decoder", DECODERS)
def test_the_imported_model_draws_the_same_picture_to_its_border(tmp_path: Path, encoder: str, decoder: str) -> None:
    theirs = network(encoder, decoder)
    path = saved(tmp_path, under("generator.", their_names(theirs)))
    lr = torch.rand(1, 3, 8, 12)
    mean, std = torch.tensor(DIV2K_MEAN).view(3, 1, 1), torch.ones(3, 1, 1)
    expected = their_picture(theirs, lr, 20, 30, mean, std)
    ours = load(path)
    assert (ours.encode(lr).render(20, 30, clamp=False) - expected).abs().max() < 1e-5
    assert expected[..., 0, :].std() > 1e-3  # the border is no constant
    export(ours, tmp_path / "ours.safetensors")
    again = load(tmp_path / "ours.safetensors")
    assert torch.equal(again.encode(lr).render(20, 30), ours.encode(lr).render(20, 30))


@pytest.mark.parametrize(
    ("meta", "mean", "std"),
    [
        ({}, DIV2K_MEAN, (1, 1, 1)),
        (
            {"config": "model = dict(rgb_mean=(0.1, 0.2, 0.3),\n    rgb_std=(0.5, 0.25, 1.))"},
            (0.1, 0.2, 0.3),
            (0.5, 0.25, 1),
        ),
        ({"config": "model = dict(rgb_mean=[.5, .5, .5], rgb_std=[.5, .5, .5])"}, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        (
            {"cfg": "data_preprocessor=dict(\n  mean=[51.0, 102.0, 127.5],\n  std=[255.0, 255.0, 127.5],\n  type='X')"},
            (0.2, 0.4, 0.5),
            (1, 1, 0.5),
        ),
        ({"cfg": "dataset = dict(mean=[1, 2, 3], std=[1, 2, 3])"}, DIV2K_MEAN, (1, 1, 1)),
    ],
)
def test_the_normalisation_is_the_one_that_the_file_states(
    tmp_path: Path, meta: dict[str, Any], mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    found = normalisation({"meta": meta})
    assert found[0] == pytest.approx(mean)
    assert found[1] == pytest.approx(std)
    theirs = network("edsr-baseline", "liif")
    path = saved(tmp_path, under("generator.", their_names(theirs)), meta=meta)
    lr = torch.rand(1, 3, 6, 7)
    expected = their_picture(theirs, lr, 12, 14, *(torch.tensor(v).view(3, 1, 1) for v in (mean, std)))
    assert (load(path).encode(lr).render(12, 14, clamp=False) - expected).abs().max() < 1e-5


@pytest.mark.parametrize(
    "prefix", ["generator.module.", "module.generator.", "generator_ema.", "generator_ema.module."]
)
def test_wrappers_and_averages(tmp_path: Path, prefix: str) -> None:
    theirs = network("edsr-baseline", "liif")
    state = under(prefix, their_names(theirs))
    if "module.gen" not in prefix:
        state |= under("generator.", {n: w + 1 for n, w in their_names(theirs).items()}) if "ema" in prefix else {}
        state |= {"pixel_loss.x": torch.zeros(1), "step_counter": torch.zeros(1)}
    plain = saved(tmp_path, under("generator.", their_names(theirs)))
    expected = load(plain).state_dict()
    found = load(saved(tmp_path, state)).state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_names_of_liif_in_this_layout(tmp_path: Path) -> None:
    theirs = network("edsr-baseline", "liif")
    encoder = under("generator.encoder.", theirs.encoder.state_dict())
    encoder = {name.replace("head.", "head.0."): value for name, value in encoder.items()}
    decoder = {n.replace("mlp.", "generator.imnet."): w for n, w in theirs.decoder.state_dict().items()}
    found = load(saved(tmp_path, encoder | decoder)).state_dict()
    expected = load(saved(tmp_path, under("generator.", their_names(theirs)))).state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_an_incomplete_file_gets_as_far_as_its_missing_weights(tmp_path: Path) -> None:
    path = saved(tmp_path, {"generator.encoder.head.0.weight": torch.zeros(4, 3, 3, 3)})
    with pytest.raises(InputError, match=r"does not fit ciaosr on edsr-baseline: it is missing .*and .* more"):
        load(path)
    names = their_names(network("edsr-baseline", "ciaosr"))
    del names["imnet_k.layers.2.bias"]
    with pytest.raises(InputError, match=r"it is missing decoder.key_mlp.layers.2.bias"):
        load(saved(tmp_path, under("generator.", names)))


def test_a_generator_of_another_method(tmp_path: Path) -> None:
    path = saved(tmp_path, {"generator.conv_first.weight": torch.zeros(1), "generator.conv_up1.weight": torch.zeros(1)})
    with pytest.raises(InputError, match=r"the weights conv_first, conv_up1 of a generator, but neither CiaoSR's"):
        load(path)
    with pytest.raises(InputError, match=r"no weights under conv_first.weight"):
        load(saved(tmp_path, {"generator.conv_first.weight": "zero"}))
