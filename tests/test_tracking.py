"""Names that a W&B run's metrics have, whatever measured them."""

from lmf_sr.tracking import as_in_training, split_by_scale


def test_costs_go_by_the_names_of_training_and_are_summed() -> None:
    metrics = {"psnr": 30.0, "encoder_macs": 1, "decoder_macs": 2, "encoder_ms": 3.0, "decoder_ms": 4.0}
    assert as_in_training(metrics) == {
        "psnr": 30.0,
        "macs_encoder": 1,
        "macs_decoder": 2,
        "latency_encoder_ms": 3.0,
        "latency_decoder_ms": 4.0,
        "macs": 3,
        "latency_ms": 7.0,
    }
    assert as_in_training({"encoder_macs": 1}) == {"macs_encoder": 1}


def test_what_training_logs_by_scale() -> None:
    logged = {"psnr/x2": 30.0, "psnr/x2.7": 28.0, "share_x2/x8": 0.5, "psnr/mean": 29.0, "loss": 0.1}
    assert split_by_scale(logged) == {2.0: {"psnr": 30.0}, 2.7: {"psnr": 28.0}, 8.0: {"share_x2": 0.5}}
