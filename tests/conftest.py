"""Shared fixtures. Shapes and types of every annotated function are checked at run time while the tests run."""

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# The numeric tower: an int is a float, as type checkers have it.
install_import_hook("lmf_sr", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; tests that need it skip, loudly, where it is absent."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip(f"SKIPPED FOR LACK OF REFERENCE DATA: no folder {path.name}/ beside the checkout")
    return path
