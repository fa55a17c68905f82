"""The arguments of the verbs that are no Hydra applications."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

from lmf_sr.cmsr.calibration import AGGREGATIONS


def parser_for(verb: str, description: str, epilog: str) -> ArgumentParser:
    """The parser of `lmf-sr VERB`. The epilog, which holds the examples, is printed as it is written."""
    return ArgumentParser(
        f"lmf-sr {verb}", description=description, epilog=epilog, formatter_class=RawDescriptionHelpFormatter
    )


def add_cmsr(parser: ArgumentParser, threshold: str) -> None:
    """Adds the keys of `conf/cmsr` as arguments; `threshold` says what is done without `--mse-threshold`."""
    group = parser.add_argument_group("CMSR")
    group.add_argument(
        "--mse-threshold", type=float, metavar="MSE", help=f"MSE allowed, as 2e-5 (default: {threshold})"
    )
    group.add_argument("--table", help="calibration or Scale2Mod table, or authors (default: the model's calibration)")
    group.add_argument(
        "--aggregation",
        choices=AGGREGATIONS,
        default=AGGREGATIONS[0],
        help="which pixels of a calibration keep to the MSE: overall all of them together, minimum those of each intensity "
        "in each picture, the paper's CMSR (default: %(default)s)",
    )
