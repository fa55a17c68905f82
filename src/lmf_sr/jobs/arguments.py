"""`KEY=VALUE` as people type it, in Hydra's grammar: paths as they are, and `~` for the home folder.

Hydra's grammar gives a meaning to `=`, `,`, brackets and quotes, and takes no `#`, `'`, `~` or letters beyond ASCII in a
value without quotes. So a value that names a file or a folder is put in quotes if it would mean something else, or
nothing. The same goes for each of several values that are separated by commas, in a sweep or a list.
"""

import re
import shlex
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from lmf_sr.errors import InputError

HOME = re.compile(r"(?<![^\[,'\"])~(?=/|$)")  # at the beginning of a value, or of one of several values


def typeable(setting: str) -> str:
    """The setting in a form that Hydra takes.

    Raises:
        InputError: it makes no sense to Hydra, and names no file; the sentence says how to give it as text.
    """
    key, equals, value = setting.partition("=")
    if not equals or key.startswith("~"):
        return setting
    value = HOME.sub(lambda _: str(Path.home()), value)
    if _is_one_value(value):
        return f"{key}={value}"
    if Path(value).exists():
        return f"{key}={_quoted(value)}"
    opening, inner, closing = re.fullmatch(r"(\[?)(.*?)(\]?)", value, re.DOTALL).groups()  # type: ignore[union-attr]
    parts = [part if _is_one_value(part) or not Path(part).exists() else _quoted(part) for part in inner.split(",")]
    parted = f"{key}={opening}{','.join(parts)}{closing}"
    try:
        OverridesParser.create().parse_overrides([parted])
    except HydraException as error:
        as_text = _for_the_shell(f"{key}={_quoted(value)}")
        raise InputError(f"cannot make sense of {setting!r}: to give it as text, write {as_text}") from error
    return parted


def _is_one_value(text: str) -> bool:
    """Whether Hydra understands the text, and does not see several values in it."""
    try:
        (override,) = OverridesParser.create().parse_overrides([f"key={text}"])
    except HydraException:
        return False
    return not override.is_sweep_override()


def _quoted(text: str) -> str:
    """Text in quotes for Hydra, where a backslash before a quote has to be doubled."""
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"'{escaped}'"


def _for_the_shell(argument: str) -> str:
    return shlex.quote(argument) if re.search(r'["$`\\!]', argument) else f'"{argument}"'
