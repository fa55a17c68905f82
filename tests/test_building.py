"""Names and options to models."""

import inspect
from itertools import product
from typing import Any

import pytest
from hydra.utils import get_class

import lmf_sr
from lmf_sr.building import build, choices, defaults, name_of
from lmf_sr.errors import InputError


def parameters(module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("group", "name", "expected"),
    [("encoder", "edsr-baseline", 1_220_416), ("decoder", "liif", 346_883), ("decoder", "lm-liif", 165_651)],
)
def test_published_sizes(group: str, name: str, expected: int) -> None:
    assert parameters(getattr(build(**{group: name}), group)) == expected


def test_the_configuration_builds_the_same_model_again() -> None:
    model = build({"name": "edsr-baseline", "n_resblocks": 2}, {"name": "lm-liif", "depth": 8})
    given = {"name": "edsr-baseline", "n_resblocks": 2}
    assert model.config["encoder"] == given | {"n_feats": 64, "res_scale": 1.0, "centre": None}
    again = build(**model.config)
    assert [p.shape for p in again.parameters()] == [p.shape for p in model.parameters()]
    assert again.config == model.config


def options_in_python(group: str, name: str) -> tuple[str, dict[str, Any]]:
    """The class of a choice, and its options with the defaults of its signature."""
    target = defaults(group, name)["_target_"]
    parameters = inspect.signature(get_class(target)).parameters.values()
    return target, {parameter.name: parameter.default for parameter in parameters if parameter.name != "in_dim"}


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group in ("encoder", "decoder") for name in choices(group)]
)
def test_a_yaml_states_every_option_of_its_class(group: str, name: str) -> None:
    _, options = options_in_python(group, name)
    assert defaults(group, name).keys() - {"_target_"} == options.keys()


@pytest.mark.parametrize("group", ["encoder", "decoder"])
def test_the_defaults_of_a_class_are_those_of_a_yaml(group: str) -> None:
    """A class may have several YAMLs, as EDSR has for its smaller and larger forms; one of them is the default."""
    stated: dict[str, list[dict[str, Any]]] = {}
    for name in choices(group):
        options = defaults(group, name)
        stated.setdefault(options.pop("_target_"), []).append(options)
    for name in choices(group):
        target, options = options_in_python(group, name)
        assert options in stated[target], target


def test_an_unknown_name_lists_the_choices() -> None:
    with pytest.raises(InputError, match=r"no decoder 'leaf'; choose one of .*liif.*lm-liif"):
        lmf_sr.build(decoder="leaf")


def test_an_unknown_option_lists_the_options() -> None:
    with pytest.raises(InputError, match=r"no option n_blocks; its options are: n_resblocks, n_feats, res_scale"):
        build({"name": "edsr-baseline", "n_blocks": 3})


def test_options_of_the_wrong_kind() -> None:
    with pytest.raises(InputError, match="cannot be made"):
        build({"name": "edsr-baseline", "n_feats": -3})


def test_a_configuration_cannot_name_code_to_run() -> None:
    model = build({"name": "edsr-baseline", "_target_": "os.system", "n_resblocks": 1, "n_feats": 4})
    assert type(model.encoder).__name__ == "EDSR"


def test_choices_are_the_files() -> None:
    assert {"edsr-baseline", "edsr"} <= set(choices("encoder"))


def test_a_model_is_named_by_its_choices() -> None:
    assert name_of(build("edsr-tiny", "lm-liif")) == "edsr-tiny-lm-liif"


def test_a_model_that_differs_from_the_named_one_says_so() -> None:
    encoder = {"name": "edsr-baseline", "n_resblocks": 4, "n_feats": 32}
    assert name_of(build(encoder, "liif")) == "edsr-baseline-liif n_resblocks=4 n_feats=32"
    decoder = {"name": "lm-liif", "width": 8, "code_dim": None}
    assert name_of(build(encoder, decoder)) == "edsr-baseline-lm-liif n_resblocks=4 n_feats=32 width=8 code_dim=None"


def test_options_of_encoders_and_decoders_have_different_names() -> None:
    for encoder, decoder in product(choices("encoder"), choices("decoder")):
        shared = defaults("encoder", encoder).keys() & defaults("decoder", decoder).keys()
        assert shared == {"_target_"}, (encoder, decoder)
