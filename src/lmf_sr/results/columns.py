"""The vocabulary of measurements: the name of each metric, in records, files and W&B alike, and its column in a table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: its name in files.
        title: its title in tables for people.
        style: the format of its numbers; empty for a column of text, whose cells tell the rows apart.
        unit: its numbers are divided by it before they are shown.
        scale: the scale at which its numbers were measured, where the column has one of its own.
    """

    name: str
    title: str
    style: str = ""
    unit: float = 1
    scale: float | None = None

    @property
    def is_label(self) -> bool:
        return not self.style

    def number(self, value: float, sign: str = "") -> str:
        """A number of the column, as tables show it; `sign="+"` marks positive numbers."""
        return format(value / self.unit, sign + self.style)


METRICS = {
    column.name: column
    for column in (
        Column("psnr", "PSNR (dB)", ".2f"),
        Column("psnr_infinite", "exact images, not in the PSNR", ".0f"),
        Column("ssim", "SSIM", ".4f"),
        Column("encoder_parameters", "encoder parameters (k)", ",.1f", 1e3),
        Column("decoder_parameters", "decoder parameters (k)", ",.1f", 1e3),
        Column("total_macs", "MACs, encoder and decoder in plain form (G)", ",.2f", 1e9),
        Column("encoder_macs", "encoder MACs (G)", ",.2f", 1e9),
        Column("decoder_macs", "decoder MACs, plain form (G)", ",.2f", 1e9),
        Column("decoder_macs_as_run", "decoder MACs, as run (G)", ",.2f", 1e9),
        Column("total_ms", "encoder and decoder (ms)", ",.1f"),
        Column("encoder_ms", "encoder (ms)", ",.1f"),
        Column("decoder_ms", "decoder, as run (ms)", ",.1f"),
        Column("cmsr_mse", "MSE from the full rendering", ".1e"),
        Column("macs_saved", "decoder MACs saved (%)", ".1f", 0.01),
        Column("macs_saved_plain", "decoder MACs saved, plain form (%)", ".1f", 0.01),
        Column("time_saved", "decoder time saved (%)", ".1f", 0.01),
    )
}
"""Every metric that tables show, by name, in their order. Times are in ms; everything else is in base units."""

IN_FILES_ONLY = frozenset({"total_macs", "total_ms", "macs_saved_plain"})
"""Metrics that tables for people leave out, because they are sums of their neighbours, or count a saving twice."""
