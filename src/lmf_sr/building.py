"""A fresh model from names: `build(encoder="edsr-baseline", decoder="lm-liif")`.

A name is a YAML file in `conf/encoder` or `conf/decoder`: its `_target_` is the class, its other keys are the class's
options. A method is added by adding its file and its YAML; there is no other list of methods.
"""

from collections.abc import Mapping
from typing import Any

from hydra.utils import get_class
from omegaconf import OmegaConf

from lmf_sr.errors import InputError
from lmf_sr.model import Model
from lmf_sr.paths import CONF

Choice = str | Mapping[str, Any]
"""A name, or `{"name": ..., **options}`."""


def choices(group: str) -> list[str]:
    """The names of a configuration group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def build(encoder: Choice = "edsr-baseline", decoder: Choice = "lm-liif") -> Model:
    """Builds a model with fresh weights.

    Args:
        encoder: a name of `conf/encoder`, or a mapping with such a `name` and options that override the YAML's.
        decoder: likewise for `conf/decoder`.

    Raises:
        InputError: an unknown name or option.
    """
    encoder_module, encoder_config = _make("encoder", encoder)
    decoder_module, decoder_config = _make("decoder", decoder, in_dim=encoder_module.out_dim)
    return Model(encoder_module, decoder_module, {"encoder": encoder_config, "decoder": decoder_config})


def defaults(group: str, name: str) -> dict[str, Any]:
    """The content of a choice's YAML without its name: the options, and the `_target_`."""
    options = dict(OmegaConf.load(CONF / group / f"{name}.yaml"))
    del options["name"]
    return options


def changed_options(group: str, choice: Mapping[str, Any]) -> tuple[str, ...]:
    """The options of a choice, with its `name`, that are not as in its YAML, each as `depth=8`."""
    standard = defaults(group, choice["name"])
    return tuple(f"{key}={choice[key]}" for key, value in standard.items() if choice.get(key, value) != value)


def name_of(model: Model) -> str:
    """The name of a model in tables: encoder and decoder, and the options that differ from their YAML's.

    >>> name_of(build({"name": "edsr-baseline", "n_resblocks": 4}, "lm-liif"))
    'edsr-baseline-lm-liif n_resblocks=4'
    """
    options = [option for part, config in model.config.items() for option in changed_options(part, config)]
    return " ".join([f"{model.config['encoder']['name']}-{model.config['decoder']['name']}", *options])


def original_of(decoder: str) -> str | None:
    """The name of the method that a decoder converts; None for a base method, and for a name that is not known here."""
    if decoder not in choices("decoder"):
        return None
    decoder_class: Any = get_class(defaults("decoder", decoder)["_target_"])
    return decoder_class.original


def _make(group: str, choice: Choice, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """The module, and its name with all its options. The class is always the YAML's own `_target_`, never the mapping's:
    a configuration that came with a file cannot name code to run."""
    given = {"name": choice} if isinstance(choice, str) else dict(choice)
    name = given.pop("name", None)
    if name not in choices(group):
        raise InputError(f"there is no {group} {name!r}; choose one of {', '.join(choices(group))}")
    options = defaults(group, name)
    target = options.pop("_target_")
    given.pop("_target_", None)
    if unknown := given.keys() - options.keys():
        known = ", ".join(options) or "none"
        raise InputError(f"{group} {name!r} has no option {', '.join(sorted(unknown))}; its options are: {known}")
    options.update(given)
    try:
        return get_class(target)(**arguments, **options), {"name": name, **options}
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{group} {name!r} cannot be made with {options}: {error}") from error
