"""The likely meaning of an unknown option: `ckpt_path=...`, `lr=...`, `data.root=...` without `data=folder`."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lmf_sr.paths import CONF

SYNONYMS = {"checkpoint": "ckpt", "model": "ckpt", "learning_rate": "optimizer.lr", "steps": "trainer.max_steps"}


def unknown_option(key: str, verb: str) -> str:
    """The sentence about an option that a verb does not have, with the way out."""
    group, _, option = key.rpartition(".")
    elsewhere = [path.stem for path in sorted((CONF / group).glob("*.yaml")) if option in _keys(path)]
    if group and elsewhere:
        choices = " or ".join(f"{group}={choice}" for choice in elsewhere)
        return f"{key} is an option of {choices}, which is not chosen: add it, or leave {key} out"
    known = [*_options(verb)]
    meant = [name for name in known if name.rpartition(".")[2] == option]
    meant = meant or [name for name in known if option.startswith(f"{name}_")]
    meant = meant or [name for name in known if name == SYNONYMS.get(key)]
    near = [name for name in known if name.rpartition(".")[0] == group]
    meant = meant or get_close_matches(key, near, n=1, cutoff=0.75)
    hint = f": {' or '.join(f'{name}=...' for name in meant[:3])} may be meant" if meant else ""
    return f"there is no option {key!r}{hint}; lmf-sr {verb} --help lists all options"


def _keys(path: Path) -> list[str]:
    """The keys of a choice, also those without a value."""
    return [str(key) for key in OmegaConf.load(path)]


def _options(verb: str) -> Iterator[str]:
    """The options of a verb by dotted keys, with the default choices."""
    settings = OmegaConf.to_container(OmegaConf.load(CONF / f"{verb}.yaml"), resolve=False)
    assert isinstance(settings, dict)
    for default in settings.pop("defaults", []):
        for group, choice in default.items() if isinstance(default, dict) else ():
            yield str(group)
            if isinstance(choice, str):
                yield from _flat(
                    OmegaConf.to_container(OmegaConf.load(CONF / str(group) / f"{choice}.yaml")), f"{group}."
                )
    settings.pop("hydra", None)
    yield from _flat(settings, "")


def _flat(settings: Any, prefix: str) -> Iterator[str]:
    for key, value in settings.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
