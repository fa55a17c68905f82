"""Calibration: from errors per bin of intensity to tables; the measurement; files."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lmf_sr
from lmf_sr.cmsr.calibration import (
    AGGREGATIONS,
    BINS,
    LOWEST,
    MARGIN,
    RATIO,
    Calibration,
    Statistics,
    calibrate,
    coarse_errors,
    evenly_spread,
    single_scale_table,
    table_from,
    upper_edge,
)
from lmf_sr.cmsr.measures import PAPER
from lmf_sr.cmsr.plan import Level
from lmf_sr.cmsr.table import Scale2Mod, fingerprint
from lmf_sr.data import PairedImages
from lmf_sr.errors import InputError
from lmf_sr.model import Model

TINY = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}
LOOSE = 1.0  # an MSE that everything stays within


@pytest.fixture(scope="module", params=["lm-liif", "lm-lte", "lm-ciaosr"])
def model(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(0)
    return lmf_sr.build(TINY, request.param).eval()


@pytest.fixture(scope="module")
def images() -> PairedImages:
    random = torch.Generator().manual_seed(1)
    return PairedImages(
        "set", {name: torch.randint(256, (3, 48, 62), dtype=torch.uint8, generator=random) for name in "abc"}
    )


def bins(**filled: float) -> torch.Tensor:
    """A value for each bin given as `b17=...`, 0 for the others."""
    out = torch.zeros(BINS, dtype=torch.float64)
    for name, value in filled.items():
        out[int(name[1:])] = value
    return out


def test_the_limit_is_the_end_of_the_last_good_bin() -> None:
    statistics = Statistics.empty([1.0])
    statistics.add(bins(b3=10, b4=10, b7=10, b8=10), bins(b3=10, b4=20, b7=30, b8=10)[None])
    assert statistics.limits(2.0, "minimum") == [
        upper_edge(4)
    ]  # the bad one stops, and the empty ones before it say nothing
    assert statistics.limits(5.0, "minimum") == [upper_edge(8)]  # between good ones, empty ones are passed
    assert statistics.limits(0.5, "minimum") == [0.0]


def test_intensities_never_seen_are_not_trusted() -> None:
    statistics = Statistics.empty([1.0])
    statistics.add(bins(b3=10), bins()[None])
    assert statistics.limits(1.0, "minimum") == [upper_edge(3)]
    assert Statistics.empty([1.0]).limits(1.0, "minimum") == [0.0]


def test_a_coarse_scale_is_no_more_permissive_than_a_finer_one() -> None:
    statistics = Statistics.empty([1.0, 2.0])
    statistics.add(bins(b3=1, b4=1), torch.stack([bins(), bins(b4=9)]))
    assert statistics.limits(1.0, "minimum") == [upper_edge(3)] * 2


errors = st.lists(st.lists(st.sampled_from([0.0, 1.0, 5.0]), min_size=4, max_size=4), min_size=1, max_size=4)


@settings(deadline=None)
@given(errors=errors)
def test_minimum_is_the_smallest_limit_of_the_pictures(errors: list[list[float]]) -> None:
    """Here each picture holds every bin, so that all are seen in each."""
    together, limits = Statistics.empty([1.0]), []
    values = bins(b0=2, b1=2, b2=2, b3=2)
    for error in errors:
        squared = 2 * bins(b0=error[0], b1=error[1], b2=error[2], b3=error[3])[None]
        alone = Statistics.empty([1.0])
        for statistics in (alone, together):
            statistics.add(values, squared)
        limits += alone.limits(1.0, "minimum")
    assert together.limits(1.0, "minimum") == [min(limits)]


@settings(deadline=None)
@given(errors=errors, first=st.floats(0.1, 6), second=st.floats(0.1, 6))
def test_a_looser_threshold_never_renders_finer(errors: list[list[float]], first: float, second: float) -> None:
    statistics = Statistics.empty([1.0])
    for error in errors:
        statistics.add(bins(b0=1, b1=1, b2=1, b3=1), bins(**{f"b{b}": e for b, e in enumerate(error)})[None])
    for aggregation in AGGREGATIONS:
        assert statistics.limits(min(first, second), aggregation) <= statistics.limits(max(first, second), aggregation)


def test_a_table_drops_levels_that_would_render_nothing() -> None:
    calibration = Calibration("f", "m", {8.0: Statistics.empty([1.0, 2.0, 4.0])}, ["a"])
    calibration.targets[8.0].add(bins(b2=1, b3=1, b4=1), torch.stack([bins(b3=9), bins(b4=9), bins(b4=9)]))
    assert calibration.table(1.0).targets == {
        8.0: (Level(1.0, upper_edge(2)), Level(2.0, upper_edge(3)), Level(8.0, float("inf")))
    }


def test_overall_counts_the_pixels_rendered_in_full_too() -> None:
    statistics = Statistics.empty([1.0])
    statistics.add(bins(b2=2, b3=2, b4=2), bins(b3=6, b4=18)[None])
    assert statistics.limits(0.99, "overall") == [upper_edge(2)]
    assert statistics.limits(1.0, "overall") == [upper_edge(3)]  # 6 of squared error on 6 values
    assert statistics.limits(4.0, "overall") == [upper_edge(4)]
    assert Statistics.empty([1.0, 2.0]).limits(1.0, "overall") == [0.0, 0.0]


def test_overall_takes_the_scales_together() -> None:
    statistics = Statistics.empty([1.0, 2.0])
    statistics.add(bins(b2=1, b3=1, b4=1), torch.stack([bins(b3=4, b4=9), bins(b3=1, b4=2)]))
    assert statistics.limits(0.5, "overall") == [upper_edge(2), upper_edge(3)]
    assert statistics.limits(1.0, "overall") == [upper_edge(2), upper_edge(4)]
    assert statistics.limits(2.0, "overall") == [upper_edge(3), upper_edge(4)]


def test_overall_goes_no_further_than_the_first_excess() -> None:
    """A bound of 3 makes the error 2 overall. One of 4 makes it 4/3, where the coarser scale's only error is."""
    statistics = Statistics.empty([1.0, 2.0])
    statistics.add(bins(b0=1, b1=1, b2=1), torch.stack([bins(b0=4), bins(b1=3, b2=3)]))
    assert statistics.limits(1.4, "overall") == [0.0, upper_edge(0)]


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_an_error_that_is_no_number_is_no_good(aggregation: str) -> None:
    statistics = Statistics.empty([1.0])
    statistics.add(bins(b3=10, b4=10, b5=10), bins(b4=math.nan)[None])
    assert statistics.limits(1.0, aggregation) == [upper_edge(3)]


@settings(deadline=None)
@given(errors=st.lists(st.tuples(*[st.floats(0, 9)] * 5), min_size=1, max_size=3), threshold=st.floats(0.01, 9))
def test_overall_keeps_to_the_threshold_and_is_no_finer_than_each_bin(
    errors: list[tuple[float, ...]], threshold: float
) -> None:
    statistics = Statistics.empty([float(scale + 1) for scale in range(len(errors))])
    squared = torch.stack([bins(**{f"b{b}": e for b, e in enumerate(error)}) for error in errors])
    statistics.add(bins(b0=1, b1=1, b2=1, b3=1, b4=1), squared)
    limits = statistics.limits(threshold, "overall")
    levels = [next((i for i, limit in enumerate(limits) if upper_edge(b) <= limit), None) for b in range(5)]
    assert sum(errors[i][b] for b, i in enumerate(levels) if i is not None) / 5 <= threshold * (1 + 1e-9)
    assert all(
        found >= each_bin for found, each_bin in zip(limits, statistics.limits(threshold, "minimum"), strict=True)
    )


def test_overall_keeps_a_margin_for_other_pictures() -> None:
    calibration = Calibration("f", "m", {8.0: Statistics.empty([2.0])}, ["a"])
    calibration.targets[8.0].add(bins(b2=1, b3=1), bins(b2=1, b3=2)[None])
    for threshold, first in (
        (0.49, Level(8.0, math.inf)),
        (0.5, Level(2.0, upper_edge(2))),
        (1.49, Level(2.0, upper_edge(2))),
        (1.5, Level(2.0, upper_edge(3))),
    ):
        assert calibration.table(threshold * MARGIN, "overall").levels(8.0)[0] == first
    assert calibration.table(2.0, "minimum").levels(8.0)[0] == Level(2.0, upper_edge(3))


def test_the_authors_tables_are_chained_as_theirs() -> None:
    calibration = Calibration("f", "m", {8.0: Statistics.empty([2.0])}, ["a"])
    assert [calibration.table(1.0, aggregation).chained for aggregation in AGGREGATIONS] == [False, True]


def test_photographs_of_one_name_in_two_folders_are_two() -> None:
    pictures = {name: torch.zeros(3, 1, 1, dtype=torch.uint8) for name in ("a/1.png", "b/1.png", "b/2.png")}
    assert list(evenly_spread(pictures, 9)) == ["a/1.png", "b/1.png", "2.png"]


def test_errors_count_every_value_and_its_error(model: Model, images: PairedImages) -> None:
    """Together the bins hold what one gets from the renderings as a whole."""
    values, squared = coarse_errors(model, images.pair("a", 6.0).lr_picture, 6.0, [1.0, 2.5]).binned(PAPER)
    image = model.encode(images.pair("a", 6.0).lr_picture)
    full = image.render(48, 60, clamp=False)
    assert values.sum() == full.numel()
    for scale, found in zip([1.0, 2.5], squared, strict=True):
        coarse = image.render(48, 60, clamp=False, cmsr=single_scale_table(6.0, scale).bound_to(model))
        assert found.sum() == pytest.approx(float((2 * (coarse - full)).square().sum()), rel=1e-4)
    seen = values.nonzero()
    intensity = image.intensity(48, 60).double()
    for number, extreme in ((seen.min(), intensity.min()), (seen.max(), intensity.max())):
        assert LOWEST * RATIO**number <= extreme <= LOWEST * RATIO ** (number + 1)


def test_the_threshold_is_honoured(model: Model, images: PairedImages) -> None:
    """All pictures are rendered at a coarse scale if the threshold allows it, and with the error that calibration found."""
    calibration = Calibration.empty(model, "tiny", [8.0], [2.0])
    for name in images.names():
        calibration.take(model, images, name)
    statistics = calibration.targets[8.0]
    threshold = float(statistics.worst.max())
    table = calibration.table(threshold, "minimum").bound_to(model)
    squared, count = 0.0, 0
    for name in images.names():
        image = model.encode(images.pair(name, 8.0).lr_picture)
        full = image.render(48, 56, clamp=False)
        squared += float((2 * (image.render(48, 56, clamp=False, cmsr=table) - full)).square().sum())
        count += full.numel()
    assert squared / count == pytest.approx(float(statistics.squared.sum() / statistics.values.sum()), rel=1e-4)
    assert squared / count <= threshold


def test_a_calibration_interrupted_goes_on_as_if_it_had_not_been(tmp_path: Path, images: PairedImages) -> None:
    torch.manual_seed(0)
    model = lmf_sr.build(TINY, "lm-liif").eval()
    straight = Calibration.empty(model, "tiny", [6.0], [1.0, 2.0])
    calibrate(straight, model, images, tmp_path / "straight.json")

    def interrupt() -> None:
        raise KeyboardInterrupt

    started = Calibration.empty(model, "tiny", [6.0], [1.0, 2.0])
    with pytest.raises(KeyboardInterrupt):
        calibrate(started, model, images, tmp_path / "parts.json", interrupt)
    resumed = Calibration.load(tmp_path / "parts.json")
    assert resumed.images == ["a"]
    calibrate(resumed, model, images, tmp_path / "parts.json")
    assert (tmp_path / "parts.json").read_bytes() == (tmp_path / "straight.json").read_bytes()
    assert resumed.table(LOOSE).images == 3
    assert resumed.table(LOOSE).fingerprint == fingerprint(model)


def test_table_from_either_file(tmp_path: Path) -> None:
    calibration = Calibration("0123", "tiny", {8.0: Statistics.empty([2.0])}, ["a"])
    calibration.targets[8.0].add(bins(b3=1), bins()[None])
    calibration.save(tmp_path / "calibration.json")
    table = table_from(tmp_path / "calibration.json", 2e-5, "minimum")
    assert table == calibration.table(2e-5, "minimum")
    table.save(tmp_path / "table.yaml")
    assert table_from(tmp_path / "table.yaml", 2e-5, "minimum") == table
    assert table_from(tmp_path / "table.yaml", None, "minimum") == table
    with pytest.raises(InputError, match=r"made for an MSE threshold of 2e-05, not 1e-06"):
        table_from(tmp_path / "table.yaml", 1e-6, "minimum")
    assert table_from(tmp_path / "calibration.json", None, "minimum") == table  # 2e-5 is the paper's


def test_what_makes_no_table_is_refused(model: Model) -> None:
    with pytest.raises(InputError, match="target scale 4 needs no calibration"):
        Calibration.empty(model, "tiny", [4.0], [1.0])
    with pytest.raises(InputError, match=r"decode scale 0.5 cannot be calibrated"):
        Calibration.empty(model, "tiny", [8.0], [0.5])
    calibration = Calibration.empty(model, "tiny", [8.0], [1.0, 9.0])
    assert calibration.targets[8.0].decode_scales == [1.0]
    with pytest.raises(InputError, match=r"target scale 6 has no decode scale below it among \[8, 12\]"):
        Calibration.empty(model, "tiny", [6.0], [12, 8])
    with pytest.raises(InputError, match="without pictures"):
        calibration.table(2e-5)
    with pytest.raises(InputError, match="an MSE threshold of 0 allows no saving"):
        calibration.table(0.0)
    with pytest.raises(InputError, match="no aggregation 'mean'"):
        calibration.table(2e-5, "mean")


def test_one_scale_for_everything() -> None:
    assert single_scale_table(8.0, 2.0).levels(8.0) == (Level(2.0, float("inf")),)
    assert single_scale_table(8.0, 2.0) == Scale2Mod.from_limits({8: {2: 1}})
