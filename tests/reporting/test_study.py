"""Records are grouped by the model they speak of, and their seeds are summarised together."""

import math
from typing import Any

import pytest
from study_of import choice, of_model, quality, record, records, training

from lmf_sr.reporting.study import Study, Subject
from lmf_sr.results.records import Record
from lmf_sr.results.statistics import Spread

STUDY = Study(records())
LIIF, LM_LIIF = (next(s for s in STUDY.main if s.decoder == name) for name in ("liif", "lm-liif"))


def test_seeds_are_one_subject_and_options_of_the_decoder_another() -> None:
    assert [STUDY.label(subject) for subject in STUDY.main] == ["bicubic", "liif", "lm-liif"]
    assert {STUDY.label(s): [STUDY.label(v) for v in variants] for s, variants in STUDY.ablations.items()} == {
        "lm-liif": ["lm-liif width=8"]
    }


def test_mean_and_spread_over_seeds() -> None:
    spread = STUDY.spread("psnr", subject=LM_LIIF, scale=2.0, set="DIV2K", threshold=None)
    assert spread == pytest.approx(Spread(34.6, 0.1414, 2), abs=1e-4)
    assert STUDY.spread("psnr", subject=LM_LIIF, scale=2.7) is None


def test_of_one_seed_measured_twice_the_later_counts() -> None:
    trained = training("liif", 0)
    first, second = (of_model("evaluate", trained, quality("a", "div2k", {2.0: psnr})) for psnr in (30.0, 31.0))
    later = Record(**{**vars(second), "started": "2026-01-01T00:00:00.000+00:00"})
    assert Study([later, trained, first]).spread("psnr", scale=2.0) == Spread(31.0, 0.0, 1)


def test_trainings_that_differ_otherwise_are_told_apart_by_what_differs() -> None:
    long, short = training("liif", 0), training("liif", 1)
    short.configuration["trainer"] = {"max_steps": 10, "accelerator": "gpu"}
    pile = [f for t in (long, short) for f in (t, of_model("evaluate", t, quality("a", "div2k", {2.0: 30.0})))]
    study = Study(pile)
    assert sorted(map(study.label, study.main)) == ["liif trainer.max_steps=10", "liif trainer.max_steps=1000"]


def test_what_all_share_is_said_once() -> None:
    small = choice("encoder", "edsr-baseline", n_feats=8)
    pile = [training(decoder, 0, encoder=small) for decoder in ("liif", "lte")]
    pile += [of_model("evaluate", trained, quality("a", "div2k", {2.0: 30.0})) for trained in pile]
    study = Study(pile)
    assert [study.label(subject) for subject in study.main] == ["liif", "lte"]
    assert {"edsr-baseline", "n_feats=8", "batch_size=16"} <= {*study.common}


def test_a_checkpoint_from_elsewhere_goes_by_its_name() -> None:
    foreign = of_model("evaluate", training("lm-liif", 0), quality("a", "div2k", {2.0: 30.0}))
    (subject,) = Study([foreign]).main
    assert subject == Subject("edsr-baseline", "lm-liif", training=("from last.ckpt",))


def test_a_checkpoint_from_elsewhere_that_differs_from_the_named_model_is_another() -> None:
    found = {"edsr-baseline-lm-liif n_resblocks=4 width=8 cmsr 2e-05": quality("a", "div2k", {2.0: 30.0})}
    foreign = record("evaluate", found, configuration={"ckpt": "some/last.ckpt", "cmsr": {"mse_threshold": 2e-5}})
    (subject,) = Study([foreign]).main
    assert subject == Subject("edsr-baseline", "lm-liif", ("n_resblocks=4",), ("width=8",), ("from last.ckpt",))
    assert subject.names == {"encoder": "", "decoder": ""}  # no published figure is that of such a model


def test_the_model_that_ships_stands_beside_one_trained_alike() -> None:
    parts = {"encoder": choice("encoder", "edsr-baseline"), "decoder": choice("decoder", "liif")}
    shipped = record("evaluate", {"edsr-baseline-liif": quality("a", "div2k", {2.0: 31.0})}, configuration=parts)
    trained = training("liif", 0)
    study = Study([shipped, trained, of_model("evaluate", trained, quality("a", "div2k", {2.0: 30.0}))])
    assert [subject.training[0] for subject in study.main] == ["batch_size=16", "from edsr-baseline-liif"]


@pytest.mark.parametrize(
    ("name", "cmsr", "threshold"),
    [
        ("edsr-baseline-lm-liif", {"mse_threshold": None, "table": None}, None),
        ("edsr-baseline-lm-liif cmsr 1e-05", {"mse_threshold": 1e-5, "table": None}, 1e-5),
        ("edsr-baseline-lm-liif cmsr 2e-05", {"mse_threshold": None, "table": "mine.yaml"}, 2e-5),
        ("edsr-baseline-lm-liif cmsr", {"mse_threshold": None, "table": "authors"}, math.inf),
    ],
)
def test_what_cmsr_rendered_is_not_taken_for_the_full_rendering(
    name: str, cmsr: dict[str, Any], threshold: float | None
) -> None:
    found = quality("a", "div2k", {6.0: 26.0})
    (finding,) = Study([record("evaluate", {name: found}, configuration={"ckpt": "a.ckpt", "cmsr": cmsr})]).findings
    assert finding.threshold == threshold


def test_what_training_measured_stands_in_where_nothing_else_did() -> None:
    trained, other = training("liif", 0), training("lte", 0)
    for record_ in (trained, other):
        (name,) = record_.results
        record_.results[name] = quality("a", "div2k", {2.0: 20.0, 3.0: 19.0})
    assert Study([trained]).spread("psnr", scale=2.0) == Spread(20.0, 0.0, 1)
    assert Study([trained]).findings[0].machine == "Abacus, 2 threads"
    study = Study([of_model("evaluate", trained, quality("a", "div2k", {2.0: 30.0})), trained, other])
    liif, lte = study.main
    assert study.spread("psnr", subject=liif, scale=2.0) == Spread(30.0, 0.0, 1)
    assert study.spread("psnr", subject=liif, scale=3.0) == Spread(19.0, 0.0, 1)
    assert study.spread("psnr", subject=lte, scale=2.0) == Spread(20.0, 0.0, 1)


def test_published_figures_are_only_of_models_as_published() -> None:
    assert LIIF.names == {"encoder": "edsr-baseline", "decoder": "liif"}
    assert LIIF._replace(encoder_options=("n_feats=8",)).names == {"encoder": "", "decoder": ""}
