"""The companions of a run: the last checkpoint, the progress bar, PSNR, costs, CMSR's savings and crops per scale, and the
summary by which runs are sorted."""

from lmf_sr.training.callbacks.cmsr import Cmsr
from lmf_sr.training.callbacks.costs import Latency, Macs
from lmf_sr.training.callbacks.crops import Crops
from lmf_sr.training.callbacks.last import LastCheckpoint
from lmf_sr.training.callbacks.progress import Progress
from lmf_sr.training.callbacks.psnr import Psnr
from lmf_sr.training.callbacks.summary import Summary
from lmf_sr.training.callbacks.trained_encoder import TrainedEncoder

__all__ = ["Cmsr", "Crops", "LastCheckpoint", "Latency", "Macs", "Progress", "Psnr", "Summary", "TrainedEncoder"]
