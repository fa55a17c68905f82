"""Images to train and to evaluate on. (`data.datamodule`, which training alone needs, waits for Lightning.)"""

from lmf_sr.data.content import Content
from lmf_sr.data.pairs import Pair, PairedImages
from lmf_sr.data.sampling import Sample, Sampling
from lmf_sr.data.sources import Benchmark, Embedded, Folder, Pictures, Source, Store

__all__ = [
    "Benchmark",
    "Content",
    "Embedded",
    "Folder",
    "Pair",
    "PairedImages",
    "Pictures",
    "Sample",
    "Sampling",
    "Source",
    "Store",
]
