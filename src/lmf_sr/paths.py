"""The place of the configuration."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parents[1] / "conf"  # in a wheel, in a checkout
