"""Figures show every model, in the page's own colours, and say so where there is nothing to draw."""

import re

from study_of import records

from lmf_sr.reporting.figures import all_figures, pareto_front
from lmf_sr.reporting.study import Study


def test_every_model_is_named_in_them() -> None:
    quality, efficiency, pareto, cmsr = all_figures(Study(records()))
    for figure in (quality, pareto, efficiency):
        assert {">liif<", ">lm-liif<"} <= {*re.findall(r">[\w-]+<", figure.svg)}
    assert "lm-liif ×6, DIV2K" in cmsr.svg
    assert not any(figure.note for figure in (quality, pareto, efficiency, cmsr))


def test_text_has_the_colour_of_the_page_and_nothing_is_fetched() -> None:
    for figure in all_figures(Study(records())):
        assert "currentColor" in figure.svg
        assert "#000000" not in figure.svg
        assert not re.search(r'(href|src)="(?!#|data:)', figure.svg)


def test_the_same_records_draw_the_same() -> None:
    first, second = (all_figures(Study(records())) for _ in range(2))
    assert first == second


def test_nothing_to_draw_is_said() -> None:
    quality_alone = [record for record in records() if record.verb != "profile"]
    _, efficiency, pareto, _ = all_figures(Study(quality_alone))
    for figure in (*all_figures(Study([])), pareto, efficiency):
        assert figure.svg == ""
        assert figure.answer == ""
        assert figure.note


def test_the_front_is_of_those_that_no_other_beats_in_both() -> None:
    assert pareto_front([(3, 30), (1, 28), (2, 27), (4, 30), (5, 31), (1, 26)]) == [(1, 28), (3, 30), (5, 31)]
