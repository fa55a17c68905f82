"""What CMSR saves on a picture and what it loses, against rendering the same picture in full on the same path.

    share_x2 ..., share_full          fraction of the LR positions rendered at each level; the last, at the target scale
    full_macs,   cmsr_macs            multiply-accumulates of the decoder as run (`prepare` included), for the pixels wanted
    full_macs_plain, cmsr_macs_plain  the same in the paper's count: the whole render MLP at four corners of each pixel
    full_ms,     cmsr_ms              time of the decoder (`prepare` included), the median of a few runs
    cmsr_mse                          mean squared difference from the full rendering, values in [-1, 1]

The fused kernel does whole blocks; that is not counted. Of a set, the means are taken, and of these

    macs_saved = 1 - cmsr_macs / full_macs,       macs_saved_plain,       time_saved
"""

from collections.abc import Sequence
from dataclasses import replace

from lmf_sr.cmsr.render import Plan
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.geometry import Grid
from lmf_sr.model import ContinuousImage, Model
from lmf_sr.profiling import DecoderMacs, Size, decoder_macs, median_ms
from lmf_sr.results.records import Metrics
from lmf_sr.results.statistics import over_images

SAVED = {"macs_saved": "macs", "macs_saved_plain": "macs_plain", "time_saved": "ms"}


class SavingMeter:
    """Measures on one picture after another what a table saves a model.

    Args:
        model: an LMF conversion on any encoder.
        table: the table used.
        repeats: timed runs, of which the median is taken; 0 for no timing.
    """

    def __init__(self, model: Model, table: Scale2Mod, repeats: int = 3) -> None:
        self.model, self.table, self.repeats = model, table, repeats
        self._macs: dict[Size, tuple[DecoderMacs, DecoderMacs]] = {}

    def measure(self, image: ContinuousImage, height: int, width: int) -> Metrics:
        """The metrics of one picture (of a batch of one), but for those that are ratios of others.

        Raises InputError for a table that is not the model's.
        """
        plan = Plan.of(self.table, Grid.over(height, width), image.size)
        chosen = plan.chosen(image.intensity(height, width, self.table.intensity))
        pixels = sum(some.pixel_count() for some in chosen)
        as_run, plain = self._decoder_macs(image.size)
        difference = image.render(height, width, clamp=False, cmsr=self.table) - image.render(
            height, width, clamp=False
        )
        metrics = {
            "share_full" if grid is plan.target else f"share_x{level.scale:g}": some.latents.double().mean().item()
            for level, grid, some in zip(plan.levels, plan.grids, chosen, strict=True)
        }
        metrics |= {
            "full_macs": as_run.of(height * width),
            "cmsr_macs": as_run.of(pixels),
            "full_macs_plain": plain.of(height * width),
            "cmsr_macs_plain": plain.of(pixels),
            "cmsr_mse": (2 * difference).double().square().mean().item(),  # pictures are in [0, 1]
        }
        if self.repeats:
            metrics |= {"full_ms": self._time(image, height, width, None)}
            metrics |= {"cmsr_ms": self._time(image, height, width, replace(self.table, fingerprint=None))}
        return metrics

    def _decoder_macs(self, lr_size: Size) -> tuple[DecoderMacs, DecoderMacs]:
        if lr_size not in self._macs:
            self._macs[lr_size] = (
                decoder_macs(self.model, lr_size, plain=False),
                decoder_macs(self.model, lr_size, True),
            )
        return self._macs[lr_size]

    def _time(self, image: ContinuousImage, height: int, width: int, table: Scale2Mod | None) -> float:
        """A fresh picture every time, for one that has been rendered keeps its prepared state."""

        def decode() -> None:
            ContinuousImage(self.model, image.lr, image.features).render(height, width, cmsr=table)

        return median_ms(decode, image.lr.device, warmup=1, repeats=self.repeats, budget_s=float("inf"))


def overall(pictures: Sequence[Metrics]) -> Metrics:
    """The metrics of a set of pictures: means, and the ratios of means. A level that a picture lacks counts as 0."""
    means = over_images(pictures)
    return means | {
        saved: 1 - means[f"cmsr_{cost}"] / means[f"full_{cost}"]
        for saved, cost in SAVED.items()
        if f"full_{cost}" in means
    }
