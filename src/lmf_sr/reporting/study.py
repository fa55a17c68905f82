"""A study of result records: findings about subjects, and their mean and spread over seeds.

A *subject* is a trained model, whatever its seed. Two records are about one subject if encoder, decoder, their options
and the settings of the training are the same. The label of a subject names only the parts that vary within the study.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from lmf_sr.building import changed_options, choices, defaults, original_of
from lmf_sr.results.records import Metrics, Record, Result
from lmf_sr.results.statistics import Spread

VERBS = ("evaluate", "compare", "profile")  # the verbs that measure models
RECIPE = (
    r"init|batch_size|(data|sampling|optimizer|schedule|loss)\.(?!_partial_)"
    r"|trainer\.(max_steps|gradient_clip_val|precision)"
)
"""The settings that tell trainings apart, beside model and seed."""


class Subject(NamedTuple):
    """A model, by the parts that tell it from others; `encoder` is empty for the bicubic baseline."""

    encoder: str
    decoder: str
    encoder_options: tuple[str, ...] = ()  # options that are not as in conf/, such as `depth=8`
    decoder_options: tuple[str, ...] = ()
    training: tuple[str, ...] = ()

    @property
    def is_conversion(self) -> bool:
        return original_of(self.decoder) is not None

    @property
    def original(self) -> "Subject":
        """The model with the method that a conversion converts; a base method itself."""
        return self._replace(decoder=original_of(self.decoder) or self.decoder)

    @property
    def architecture(self) -> "Subject":
        """The subject without its training, on which costs do not depend."""
        return self._replace(training=())

    @property
    def plain(self) -> "Subject":
        """The subject with the decoder as in conf/."""
        return self._replace(decoder_options=())

    @property
    def names(self) -> dict[str, str]:
        """The names by which published figures are looked up. An option that is not as in conf/ makes another model of
        it."""
        other_encoder = {"encoder": ""} if self.encoder_options else {"encoder": self.encoder}
        return other_encoder | {"decoder": "" if self.encoder_options or self.decoder_options else self.decoder}


@dataclass(frozen=True)
class Finding:
    """The measurements of one record at one scale.

    threshold: the MSE that CMSR allowed, infinite if its table does not tell it; None if all was rendered in full.
    lr_size: height and width of the picture whose costs were measured.
    """

    subject: Subject
    seed: int
    result: Result
    threshold: float | None
    lr_size: tuple[int, int] | None
    record: Record

    @property
    def metrics(self) -> Metrics:
        return self.result.metrics

    @property
    def architecture(self) -> Subject:
        return self.subject.architecture

    @property
    def with_cmsr(self) -> bool:
        return "cmsr_mse" in self.metrics

    @property
    def machine(self) -> str:
        """The machine's name, as `AMD EPYC, 2 threads`."""
        hardware, settings = self.record.environment["hardware"], self.record.settings
        if hardware["gpus"] and settings.get("device", settings.get("trainer.accelerator")) != "cpu":
            return ", ".join(hardware["gpus"])
        return f"{hardware['processor']}, {hardware['threads']} threads"


class Study:
    """The findings of a number of records."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = sorted(records, key=lambda record: record.started)
        self.findings = _findings(self.records)

    @cached_property
    def subjects(self) -> list[Subject]:
        """All subjects, each conversion behind the method that it converts, bicubic first."""
        found = {finding.subject for finding in self.findings}
        found -= {s.architecture for s in found if s.training}  # fresh models were only profiled, for the trained ones
        return sorted(found, key=lambda s: (s.encoder, s.encoder_options, s.original, s.is_conversion))

    @cached_property
    def main(self) -> list[Subject]:
        """The subjects that are no ablation of another, because their decoder is as in conf/, or is the only one."""
        return [subject for subject in self.subjects if subject.plain == subject or subject.plain not in self.subjects]

    @cached_property
    def ablations(self) -> dict[Subject, list[Subject]]:
        """The variants of each subject whose decoder options were varied."""
        varied = [subject for subject in self.subjects if subject not in self.main]
        return {plain: [s for s in varied if s.plain == plain] for plain in dict.fromkeys(s.plain for s in varied)}

    @cached_property
    def common(self) -> tuple[str, ...]:
        """The parts of their names that all trained subjects share, which labels leave out."""
        trained = [subject for subject in self.subjects if subject.encoder]
        if not trained:
            return ()
        parts = [(subject.encoder, *subject.encoder_options, *subject.training) for subject in trained]
        return tuple(part for part in parts[0] if all(part in other for other in parts))

    def label(self, subject: Subject) -> str:
        """The subject's name, as `lm-liif width=8`."""
        parts = (
            subject.encoder,
            *subject.encoder_options,
            subject.decoder,
            *subject.decoder_options,
            *subject.training,
        )
        return " ".join(part for part in parts if part and part not in self.common)

    def select(self, **conditions: Any) -> list[Finding]:
        """The findings with these attributes; `set`, `scale` and `protocol` are their results'."""
        return [f for f in self.findings if all(_attribute(f, name) == value for name, value in conditions.items())]

    def values(self, name: str, metric: str, **conditions: Any) -> list[Any]:
        """The values of an attribute among the findings that have a metric, in order of size."""
        return sorted({_attribute(f, name) for f in self.select(**conditions) if metric in f.metrics} - {None})

    def measured_on(self, metric: str, **conditions: Any) -> list[dict[str, Any]]:
        """The sets and protocols of the findings that have a metric, as conditions."""
        found = {(f.result.set, f.result.protocol) for f in self.select(**conditions) if metric in f.metrics}
        return [{"set": set_, "protocol": protocol} for set_, protocol in sorted(found)]

    def spread(self, metric: str, **conditions: Any) -> Spread | None:
        """The spread of a metric over the seeds, from the latest finding of each; None if there is none."""
        by_seed = {f.seed: f.metrics[metric] for f in self.select(**conditions) if metric in f.metrics}
        return Spread.over([*by_seed.values()]) if by_seed else None

    def metrics(self, **conditions: Any) -> dict[str, float]:
        """The mean of every metric of the findings with these attributes."""
        names = {name for finding in self.select(**conditions) for name in finding.metrics}
        return {name: spread.mean for name in names if (spread := self.spread(name, **conditions))}


def _attribute(finding: Finding, name: str) -> Any:
    return getattr(finding.result if name in ("set", "scale", "protocol") else finding, name)


def _findings(records: Sequence[Record]) -> list[Finding]:
    """Results recorded by training come first, so that a later measurement of the same seed overrides them."""
    trainings = {checkpoint: r for r in records if r.verb == "train" for checkpoint in r.outputs.values()}
    trained, others = ([r for r in records if r.verb in verbs] for verbs in (["train"], VERBS))
    return [finding for record in (*trained, *others) for finding in _findings_of(record, trainings)]


def _findings_of(record: Record, trainings: Mapping[str, Record]) -> Iterator[Finding]:
    configuration = record.configuration
    sources = configuration.get("models") or [configuration.get("ckpt")]
    sources = [sources] if isinstance(sources, str) else sources
    if record.verb == "evaluate" and sources == [None]:
        sources = [f"{configuration['encoder']['name']}-{configuration['decoder']['name']}"]  # the shipped one
    lr_size = configuration.get("lr_size")
    for (name, results), source in zip(record.results.items(), sources, strict=True):
        training = record if record.verb == "train" else trainings.get(record.inputs.get(source or "", ""))
        subject = _subject(name, source, training or record)
        for result in results:
            yield Finding(
                subject,
                training.seed if training else record.seed,
                result,
                _threshold(name, configuration.get("cmsr") or {}),
                (lr_size[0], lr_size[1]) if lr_size and result.set is None else None,
                record,
            )


def _threshold(name: str, cmsr: Mapping[str, Any]) -> float | None:
    """The MSE allowed for a model that `evaluate` has called `name`, a name that ends in the MSE of its table."""
    if cmsr.get("mse_threshold") is None and cmsr.get("table") is None:
        return None
    return float(cmsr.get("mse_threshold") or name.partition(" cmsr ")[2] or math.inf)


def _subject(name: str, source: str | None, origin: Record) -> Subject:
    """The subject that a record calls `name` and read from `source`; `origin` is the record of its training, if any."""
    trained = origin.verb == "train"
    if source == "bicubic":
        return Subject("", "bicubic")
    if source is not None and not trained:  # a file from elsewhere, of which only the name is known
        method, *about = name.split(" ")
        encoder = max((e for e in choices("encoder") if method.startswith(f"{e}-")), key=len, default="")
        options = [part for part in about if "=" in part]  # not as in conf/
        encoder_options = tuple(o for o in options if encoder and o.partition("=")[0] in defaults("encoder", encoder))
        return Subject(
            encoder,
            method.removeprefix(f"{encoder}-"),
            encoder_options,
            tuple(option for option in options if option not in encoder_options),
            (f"from {Path(source).name}",),
        )
    encoder, decoder = origin.configuration["encoder"], origin.configuration["decoder"]
    recipe = tuple(f"{key}={value}" for key, value in sorted(origin.settings.items()) if re.match(RECIPE, key))
    return Subject(
        encoder["name"],
        decoder["name"],
        changed_options("encoder", encoder),
        changed_options("decoder", decoder),
        recipe if trained else (),
    )
