"""Names and options to models."""

import pytest

import lmf_sr
from lmf_sr.building import build, choices
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
