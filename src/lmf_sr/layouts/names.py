"""Names that the layouts share: how parameters are renamed, and which entries are no parameters."""

from collections.abc import Mapping
from typing import Any

CROSS_SCALE = {
    "cs_attn.conv_assembly.": "cross_scale.embed.",
    "cs_attn.conv_match_1.": "cross_scale.match.",
    "cs_attn.conv_match_2.": "cross_scale.reference.",
    "cs_attn.down.": "cross_scale.down.",
}
"""Cross-scale attention of CiaoSR and LM-CiaoSR: the beginnings of its parameters' names, and ours."""

DERIVED = ("sub_mean.", "add_mean.", "cs_attn.escape_NaN", ".attn_mask", ".relative_position_index")
"""Parts of the names of buffers that are frozen or follow from the configuration, and so are no weights."""

_WRAPPERS = ("module.", "_orig_mod.")  # the prefixes of nn.DataParallel and torch.compile


def unwrapped(weights: Mapping[str, Any]) -> dict[str, Any]:
    """The weights without the prefixes that nn.DataParallel and torch.compile put before every name."""
    names = dict(weights)
    for wrapper in _WRAPPERS:
        if names and all(name.startswith(wrapper) for name in names):
            return unwrapped({name.removeprefix(wrapper): value for name, value in names.items()})
    return names


def renamed(name: str, beginnings: Mapping[str, str]) -> str:
    """The name with its beginning replaced, if it is one of those listed."""
    for theirs, ours in beginnings.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name
