"""Measures the savings and losses of CMSR on a picture, against the full rendering on the same path.

    share_x2 ..., share_full          fraction of the LR positions rendered at each level; the last, at the target scale
    full_macs,   cmsr_macs            multiply-accumulates of the decoder as run (`prepare` included), for the pixels wanted
    full_macs_plain, cmsr_macs_plain  the same in the paper's count: the whole render MLP at four corners of each pixel
    full_ms,     cmsr_ms              time of the decoder (`prepare` included), the median of a few runs
    cmsr_mse                          mean squared difference from the full rendering, values in [-1, 1]

The GPU kernel renders whole blocks, which is not counted. For a set of pictures, means are taken, and of these means

    macs_saved = 1 - cmsr_macs / full_macs,       macs_saved_plain,       time_saved
"""

from collections.abc import Sequence

from lmf_sr.cmsr.table import BoundTable
from lmf_sr.geometry import Grid, Size
from lmf_sr.model import ContinuousImage, Model
from lmf_sr.profiling import DecoderMacs, decoder_macs, median_ms
from lmf_sr.results.records import Metrics
from lmf_sr.results.statistics import over_images

SAVED = {"macs_saved": "macs", "macs_saved_plain": "macs_plain", "time_saved": "ms"}


class SavingsMeter:
    """Measures, picture by picture, the savings of a table.

    Args:
        model: an LMF conversion on any encoder.
        table: the table that it is rendered by.
        repeats: timed runs, of which the median is taken; 0 for no timing.
    """

    def __init__(self, model: Model, table: BoundTable, repeats: int = 3) -> None:
        self.model, self.table, self.repeats = model, table, repeats
        self._macs: dict[Size, tuple[DecoderMacs, DecoderMacs]] = {}

    def measure(self, image: ContinuousImage, height: int, width: int) -> Metrics:
        """The metrics of one picture (a batch of one), except those that are ratios of others."""
        grid = Grid.over(height, width)
        plan = self.table.table.plan(grid, image.size)
        masks = plan.chosen(self.table.intensity(image.encoded, grid))
        pixels = sum(mask.pixel_count() for mask in masks)
        as_run, plain = self._decoder_macs(image.size)
        difference = image.render(height, width, clamp=False, cmsr=self.table) - image.render(
            height, width, clamp=False
        )
        metrics = {
            "share_full" if grid is plan.target else f"share_x{level.scale:g}": mask.latents.double().mean().item()
            for level, grid, mask in zip(plan.levels, plan.grids, masks, strict=True)
        }
        metrics |= {
            "full_macs": as_run.for_pixels(height * width),
            "cmsr_macs": as_run.for_pixels(pixels),
            "full_macs_plain": plain.for_pixels(height * width),
            "cmsr_macs_plain": plain.for_pixels(pixels),
            "cmsr_mse": (2 * difference).double().square().mean().item(),  # pictures are in [0, 1]
        }
        if self.repeats:
            metrics |= {"full_ms": self._time(image, height, width, None)}
            metrics |= {"cmsr_ms": self._time(image, height, width, self.table)}
        return metrics

    def _decoder_macs(self, lr_size: Size) -> tuple[DecoderMacs, DecoderMacs]:
        if lr_size not in self._macs:
            self._macs[lr_size] = (
                decoder_macs(self.model, lr_size, plain=False),
                decoder_macs(self.model, lr_size, plain=True),
            )
        return self._macs[lr_size]

    def _time(self, image: ContinuousImage, height: int, width: int, table: BoundTable | None) -> float:
        def decode() -> None:
            image.render(height, width, cmsr=table)

        return median_ms(decode, image.encoded.lr.device, warmup=1, repeats=self.repeats, budget_s=float("inf"))


def overall(pictures: Sequence[Metrics]) -> Metrics:
    """The metrics of a set of pictures: means, and the ratios of means. A level that a picture lacks counts as 0."""
    means = over_images(pictures)
    return means | {
        saved: 1 - means[f"cmsr_{cost}"] / means[f"full_{cost}"]
        for saved, cost in SAVED.items()
        if f"full_{cost}" in means
    }
