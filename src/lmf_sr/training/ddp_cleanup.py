"""The processes of a distributed run end with it, so that another run can follow in the same program, as in a sweep.

Lightning leaves to the end of the program the process group, the variables by which its processes find each other (with
them set, the next run would not start its others, and wait for them), and the watch that kills the program if one fails.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch.strategies import Strategy
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from torch import distributed

MEETING = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")


@contextmanager
def ended_with_the_run(strategy: Strategy) -> Iterator[None]:
    """Waits for the processes that the run has started, or kills them if it fails, so that nothing is left of it."""
    before = {name: os.environ[name] for name in MEETING if name in os.environ}
    try:
        yield
        _end_others(strategy, kill=False)
    except BaseException:
        _end_others(strategy, kill=True)
        raise
    finally:
        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
        for name in MEETING:
            os.environ.pop(name, None)
        os.environ.update(before)


def _end_others(strategy: Strategy, kill: bool) -> None:
    if not isinstance(strategy.launcher, _SubprocessScriptLauncher):
        return
    others = [*strategy.launcher.procs]
    strategy.launcher.procs.clear()  # the very list that is watched
    for process in others:
        if kill:
            process.kill()
        process.wait()
