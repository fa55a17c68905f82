"""Whether a calibration's thresholds are honoured: MSE from the full rendering, of all pixels of all photographs together.

python experiments/02-cmsr/precision.py CHECKPOINT CALIBRATION PHOTOGRAPHS --thresholds 1e-6 2e-5 [--scales 8 12 18]
"""

import argparse
from pathlib import Path

import lmf_sr
from lmf_sr.cmsr.calibration import Calibration
from lmf_sr.data import Pictures
from lmf_sr.geometry import Grid


def main() -> None:
    """Prints, for each scale and threshold, the MSE over the threshold, and the share of pixels that is rendered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("calibration", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--thresholds", type=float, nargs="+", required=True)
    parser.add_argument("--scales", type=float, nargs="+", default=[8.0, 12.0, 18.0])
    parser.add_argument("--aggregation", default="overall")
    options = parser.parse_args()
    model, calibration = lmf_sr.load(options.checkpoint), Calibration.load(options.calibration)
    (images,) = Pictures(options.photographs).evaluation()
    tables = {t: calibration.table(t, options.aggregation).bound_to(model) for t in options.thresholds}
    for scale in options.scales:
        values, squared, rendered = 0, dict.fromkeys(tables, 0.0), dict.fromkeys(tables, 0)
        for name in images.names():
            pair = images.pair(name, scale)
            image, size = model.encode(pair.lr_picture), pair.hr.shape[1:]
            full = image.render(*size, clamp=False)
            intensity = image.intensity(*size)
            values += full.numel()
            for threshold, table in tables.items():
                difference = 2 * (image.render(*size, clamp=False, cmsr=table) - full)  # of values in [-1, 1]
                squared[threshold] += float(difference.double().square().sum())
                masks = table.table.plan(Grid.over(*size), image.size).chosen(intensity)
                rendered[threshold] += 3 * sum(mask.pixel_count() for mask in masks)
        for t in tables:
            print(f"x{scale:g} {t:.1e}: {squared[t] / values / t:.2f} of it, {rendered[t] / values:.0%} rendered")


if __name__ == "__main__":
    main()
