"""`lmf-sr dashboard`: builds the W&B workspace in which a project's runs are looked at (`workspace.py`)."""

import argparse
import math
from collections.abc import Sequence

from lmf_sr.commands.arguments import parser_for
from lmf_sr.errors import InputError

EPILOG = """\
Runs get there by logger.wandb.mode=online as they run, or later: wandb sync FOLDER/wandb/offline-run-*. What is logged:

  by_scale/psnr, by_scale/decoder_macs, ...    a row for each scale, against by_scale/scale
  psnr/x4, total_ms/x4, ...                  summary: the last value, by which runs are sorted and plotted
  crops                                        a table: LR, bicubic, SR, HR, error

examples:
  lmf-sr dashboard lmf-sr --dry-run
  lmf-sr dashboard lmf-sr --entity my-team --scales 2 4 8
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the verb. Raises InputError where nobody is logged in."""
    options = _parser().parse_args(arguments)
    for scale in options.scales:
        if not 1 <= scale < math.inf:
            raise InputError(f"--scales {scale:g} makes no picture larger: a scale is a number of at least 1")
    from lmf_sr.commands.workspace import described, workspace  # here, because it needs an extra

    if options.dry_run:
        print(described(workspace(options.project, options.entity or "", options.scales)))
        return
    import wandb

    try:
        made = workspace(options.project, options.entity or wandb.Api().default_entity or "", options.scales)
        made.save()
    except (wandb.Error, ValueError, OSError) as error:
        raise InputError(f"W&B refused the dashboard: {error} (wandb login, or see it with --dry-run)") from error
    print(f"made: {made.url}")


def _parser() -> argparse.ArgumentParser:
    parser = parser_for(
        "dashboard",
        "Build the W&B workspace of a project: PSNR, MACs and latency per scale, Pareto plots, parallel "
        "coordinates over encoder, decoder and CMSR threshold.",
        EPILOG,
    )
    parser.add_argument("project", metavar="PROJECT", help="W&B's project, that of logger.wandb.project (lmf-sr)")
    parser.add_argument("--entity", help="user or team (default: your own)")
    parser.add_argument("--scales", type=float, nargs="+", default=[2.0, 4.0, 8.0], help="(default: 2 4 8)")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be made; needs no login and no network"
    )
    return parser
