"""The name of a model says how it differs from the choices it is named by."""

from itertools import product

from lmf_sr.building import build, choices, defaults
from lmf_sr.jobs.settings import name_of


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
