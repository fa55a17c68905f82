"""A sentence for each question that the page's figures answer.

A sentence names its scale, which is 4 if there are measurements at 4, else the nearest one. Where no measurement answers a
question, its sentence is empty.
"""

from collections.abc import Sequence
from typing import Any

from lmf_sr.reporting.study import Study, Subject
from lmf_sr.results.columns import METRICS

REFERENCE_SCALE = 4.0


def quality(study: Study, seen: dict[str, Any]) -> str:
    """Quality against scale: the best model, and the distance of conversions from their originals."""
    scale = _nearest(study.values("scale", "psnr", **seen))
    found = _measured(study, "psnr", study.main, scale=scale, **seen)
    if scale is None or not found:
        return ""
    highest = max(found.values())
    best = [study.label(s) for s, psnr in found.items() if _shown("psnr", psnr) == _shown("psnr", highest)]
    parts = [
        f"At ×{scale:g} on {seen['set']}, {' and '.join(best)} {'is' if len(best) == 1 else 'are'} best with "
        f"{_shown('psnr', highest)} dB"
    ]
    bicubic = next((subject for subject in found if not subject.encoder), None)
    if bicubic is not None and study.label(bicubic) not in best:
        parts[0] += f", {_shown('psnr', highest - found[bicubic])} dB above bicubic"
    for conversion, original in _pairs(study, study.main):
        differences = [
            ours.mean - theirs.mean
            for s in study.values("scale", "psnr", subject=conversion, **seen)
            if (ours := study.spread("psnr", subject=conversion, scale=s, **seen))
            and (theirs := study.spread("psnr", subject=original, scale=s, **seen))
        ]
        if differences:
            low, high = (_shown("psnr", value, "+") for value in (min(differences), max(differences)))
            by = f"{low} dB" if low == high else f"{low} to {high} dB over the scales"
            parts.append(f"{study.label(conversion)} differs from {study.label(original)} by {by}")
    return "; ".join(parts) + "."


def cost(study: Study, timed: dict[str, Any]) -> str:
    """Cost against scale: the multiply-accumulates that conversions save, or the model that takes the fewest."""
    models = list(dict.fromkeys(subject.architecture for subject in study.main if subject.encoder))
    scale = _nearest(study.values("scale", "decoder_macs", **timed))
    found = _measured(study, "decoder_macs", models, "architecture", scale=scale, **timed)
    if scale is None or not found:
        return ""
    parts = [
        f"{study.label(ours)} takes {_shown('decoder_macs', found[ours])} G multiply-accumulates where "
        f"{study.label(theirs)} takes {_shown('decoder_macs', found[theirs])} G, "
        f"{found[theirs] / found[ours]:.1f} times as many"
        for ours, theirs in _pairs(study, models)
        if ours in found and theirs in found
    ]
    if not parts:
        least = min(found, key=lambda subject: found[subject])
        parts = [
            f"{study.label(least)} takes the fewest multiply-accumulates, {_shown('decoder_macs', found[least])} G"
        ]
    return f"To decode one picture at ×{scale:g}, {'; '.join(parts)}."


def latency(scale: float, front: Sequence[tuple[str, float, float]]) -> str:
    """PSNR against latency; `front` has the label, latency and PSNR of each model that no other beats in both."""
    models = " or ".join(f"{label} ({_shown('psnr', psnr)} dB in {ms:,.0f} ms)" for label, ms, psnr in front)
    return f"At ×{scale:g}, no other model that was timed is both faster and better than {models}."


def cmsr(study: Study) -> str:
    """CMSR: the largest saving, at the paper's threshold if that was measured."""
    cases = [f for f in study.findings if "macs_saved" in f.metrics and f.threshold is not None]
    at_paper = [finding for finding in cases if finding.threshold == 2e-5]
    if not cases:
        return ""
    best = max(at_paper or cases, key=lambda finding: finding.metrics["macs_saved"])
    on = {"subject": best.subject, "scale": best.result.scale, "set": best.result.set, "protocol": best.result.protocol}
    means, full = study.metrics(threshold=best.threshold, **on), study.metrics(threshold=None, **on)
    saved = f"{_shown('macs_saved', means['macs_saved'])} % of the decoder's multiply-accumulates"
    if "time_saved" in means:
        saved += f" and {_shown('time_saved', means['time_saved'])} % of its time"
    changed = ""
    if "psnr" in full.keys() & means.keys():
        changed = f", and changes PSNR by {_shown('psnr', means['psnr'] - full['psnr'], '+')} dB"
    return (
        f"With an MSE of {best.threshold:g} allowed, {study.label(best.subject)} saves {saved} at ×{best.result.scale:g} on "
        f"{best.result.set}{changed}."
    )


def crops(pictures: int) -> str:
    """Crops: a line that says what is shown."""
    several = f"{pictures} drawings of windows" if pictures > 1 else "a drawing of windows"
    return f"The difference to the eye: {several} with the strongest gradients of their pictures."


def _measured(
    study: Study, metric: str, subjects: Sequence[Subject], kind: str = "subject", **conditions: Any
) -> dict[Subject, float]:
    found = {subject: study.spread(metric, **{kind: subject}, **conditions) for subject in subjects}
    return {subject: spread.mean for subject, spread in found.items() if spread}


def _pairs(study: Study, subjects: Sequence[Subject]) -> list[tuple[Subject, Subject]]:
    """Conversions, each with its original."""
    return [(s, s.original) for s in subjects if s.is_conversion and s.original in subjects]


def _nearest(scales: Sequence[float]) -> float | None:
    return min(scales, key=lambda scale: abs(scale - REFERENCE_SCALE), default=None)


def _shown(metric: str, value: float, sign: str = "") -> str:
    return METRICS[metric].number(value, sign).replace("-", "−")
