"""An unknown option is answered with the one that may have been meant."""

import pytest

from lmf_sr.jobs.options import unknown_option


@pytest.mark.parametrize(
    ("verb", "key", "hint"),
    [
        ("train", "ckpt_path", "ckpt=... may be meant"),
        ("train", "lr", "optimizer.lr=... may be meant"),
        ("train", "max_steps", "trainer.max_steps=... may be meant"),
        ("train", "batchsize", "batch_size=... may be meant"),
        ("train", "trainer.max_step", "trainer.max_steps=... may be meant"),
        ("evaluate", "model", "ckpt=... may be meant"),
        (
            "train",
            "data.root",
            "data.root is an option of data=benchmark or data=folder or data=pictures or data=store",
        ),
        ("evaluate", "decoder.fourier_dim", "an option of decoder=lm-lte or decoder=lte, which is not chosen"),
        ("train", "foo", "there is no option 'foo'; lmf-sr train --help lists all options"),
        ("train", "encoder.foo", "there is no option 'encoder.foo'; lmf-sr"),
    ],
)
def test_hints(verb: str, key: str, hint: str) -> None:
    assert hint in unknown_option(key, verb)
