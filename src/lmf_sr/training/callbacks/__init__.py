"""What accompanies a run: the last checkpoint, PSNR, costs and crops per scale."""

from lmf_sr.training.callbacks.costs import Latency, Macs
from lmf_sr.training.callbacks.crops import Crops
from lmf_sr.training.callbacks.last import LastCheckpoint
from lmf_sr.training.callbacks.psnr import Psnr

__all__ = ["Crops", "LastCheckpoint", "Latency", "Macs", "Psnr"]
