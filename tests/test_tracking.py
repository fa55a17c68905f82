"""Names that a W&B run's metrics have, whatever measured them."""

from lmf_sr.tracking import split_by_scale


def test_what_training_logs_by_scale() -> None:
    logged = {"psnr/x2": 30.0, "psnr/x2.7": 28.0, "share_x2/x8": 0.5, "psnr/mean": 29.0, "loss": 0.1}
    assert split_by_scale(logged) == {2.0: {"psnr": 30.0}, 2.7: {"psnr": 28.0}, 8.0: {"share_x2": 0.5}}
