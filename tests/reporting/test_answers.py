"""One sentence for each question, from the records."""

import re

import pytest
from study_of import of_model, quality, records, training

from lmf_sr.reporting.figures import Figure, all_figures
from lmf_sr.reporting.study import Study


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    return {figure.name: figure.answer for figure in all_figures(Study(records()))}


def test_quality(answers: dict[str, str]) -> None:
    assert answers["quality"] == (
        "At ×4 on DIV2K, liif and lm-liif are best with 29.00 dB, 2.30 dB above bicubic; lm-liif differs from liif by "
        "+0.00 dB."
    )


def test_quality_of_a_conversion_that_is_worse_at_one_scale() -> None:
    better, worse = training("liif", 0), training("lm-liif", 0)
    study = Study(
        [
            better,
            worse,
            of_model("evaluate", better, quality("Set5", "benchmark", {2.0: 36.0, 3.0: 33.0})),
            of_model("evaluate", worse, quality("Set5", "benchmark", {2.0: 35.5, 3.0: 33.1})),
        ]
    )
    figure: Figure = all_figures(study)[0]
    assert figure.answer == (
        "At ×3 on Set5, lm-liif is best with 33.10 dB; lm-liif differs from liif by −0.50 to +0.10 dB over the scales."
    )


def test_cost(answers: dict[str, str]) -> None:
    assert (
        "lm-liif takes 15.49 G multiply-accumulates where liif takes 1,274.96 G, 82.3 times as many"
        in answers["efficiency"]
    )


def test_latency(answers: dict[str, str]) -> None:
    assert (
        answers["pareto"]
        == "At ×4, no other model that was timed is both faster and better than lm-liif (29.00 dB in 21 ms)."
    )


def test_cmsr(answers: dict[str, str]) -> None:
    assert answers["cmsr"] == (
        "With an MSE of 2e-05 allowed, lm-liif saves 40.0 % of the decoder's multiply-accumulates and 30.0 % of its time "
        "at ×6 on DIV2K, and changes PSNR by −0.10 dB."
    )


def test_every_answer_is_one_sentence(answers: dict[str, str]) -> None:
    assert all(re.fullmatch(r"[A-Z][^!?]*\.", answer) for answer in answers.values())
