"""The arguments of the verbs that are no Hydra applications."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter


def parser_for(verb: str, description: str, epilog: str) -> ArgumentParser:
    """Of `lmf-sr VERB`; the epilog, its examples, stands as it is written."""
    return ArgumentParser(
        f"lmf-sr {verb}", description=description, epilog=epilog, formatter_class=RawDescriptionHelpFormatter
    )
