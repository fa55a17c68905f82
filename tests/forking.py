"""Processes that start at once: one that has everything imported makes them."""

from multiprocessing import get_context

FORKSERVER = get_context("forkserver")
FORKSERVER.set_forkserver_preload(["lightning.pytorch", "lmf_sr.training.callbacks"])
