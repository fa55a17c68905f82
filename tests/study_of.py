"""Records as jobs leave them: two methods trained with two seeds, an ablation, bicubic; quality, CMSR and costs."""

from collections.abc import Iterator
from typing import Any

from lmf_sr.building import defaults
from lmf_sr.results.records import Record, Result

ENVIRONMENT = {
    "versions": {"torch": "2.6.0", "lmf-sr": "0.1.0"},
    "revision": "0123abc",
    "hardware": {"processor": "Abacus", "cpus": 2, "threads": 2, "gpus": []},
}


def choice(group: str, name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, **defaults(group, name), **options}


def record(verb: str, results: dict[str, list[Result]], **about: Any) -> Record:
    configuration = {"seed": 0, **about.pop("configuration", {})}
    defaults = {"sweep": None, "name": "job", "inputs": {}, "status": "done", "duration_s": 60.0}
    started = "2025-03-01T12:00:00.000+00:00"
    options = {"environment": ENVIRONMENT, "started": started, **defaults, **about}
    return Record(verb, configuration=configuration, seed=configuration["seed"], results=results, **options)


def training(decoder: str, seed: int, encoder: dict[str, Any] | None = None, **options: Any) -> Record:
    checkpoint = f"{decoder} {seed} {sorted(options.items())}"
    configuration = {
        "encoder": encoder or choice("encoder", "edsr-baseline"),
        "decoder": choice("decoder", decoder, **options),
        "seed": seed,
        "batch_size": 16,
        "trainer": {"max_steps": 1000, "accelerator": "auto"},
        "optimizer": {"_target_": "torch.optim.Adam", "lr": 1e-4},
        "lr_size": [48, 48],
    }
    return record(
        "train", {f"edsr-baseline-{decoder}": []}, configuration=configuration, outputs={"last.ckpt": checkpoint}
    )


def of_model(verb: str, trained: Record | None, results: list[Result], **configuration: Any) -> Record:
    """A job on what was trained, or on bicubic."""
    if trained is None:
        return record(verb, {"bicubic": results}, configuration={"ckpt": "bicubic", "device": "auto", **configuration})
    decoder = trained.configuration["decoder"]["name"]
    inputs = {"some/last.ckpt": trained.outputs["last.ckpt"]}
    configuration = {"ckpt": "some/last.ckpt", "device": "auto", **configuration}
    return record(verb, {f"edsr-baseline-{decoder}": results}, inputs=inputs, configuration=configuration)


def quality(set_: str, protocol: str, psnr: dict[float, float]) -> list[Result]:
    return [Result(scale, {"psnr": value, "ssim": value / 40}, set_, protocol) for scale, value in psnr.items()]


def costs(decoder_macs: dict[float, float], parameters: int, ms: float) -> list[Result]:
    about = {"encoder_parameters": 1_220_416, "decoder_parameters": parameters, "encoder_macs": 70e9, "encoder_ms": 5.0}
    return [
        Result(scale, {**about, "decoder_macs": macs, "decoder_macs_as_run": macs / 2, "decoder_ms": ms * scale})
        for scale, macs in decoder_macs.items()
    ]


def records() -> Iterator[Record]:
    small = quality("DIV2K", "div2k", {2.0: 31.0, 4.0: 26.7})
    yield of_model("evaluate", None, small)
    yield of_model("evaluate", None, quality("Set5", "benchmark", {2.0: 33.70, 3.0: 30.40}))
    for decoder, macs, parameters, ms in (
        ("liif", {2.0: 318.74e9, 4.0: 1274.96e9}, 346_883, 100.0),
        ("lm-liif", {2.0: 10.94e9, 4.0: 15.49e9}, 165_651, 4.0),
    ):
        for seed in (0, 1):
            trained = training(decoder, seed)
            yield trained
            found = quality("DIV2K", "div2k", {2.0: 34.5 + 0.2 * seed, 4.0: 29.0, 6.0: 26.5})
            yield of_model("evaluate", trained, found)
            rgb = quality("Set5", "benchmark-rgb", {2.0: 35.5})
            yield of_model("evaluate", trained, rgb)
            yield of_model("profile", trained, costs(macs, parameters, ms), lr_size=[180, 320])
            if decoder == "lm-liif":
                for threshold in (1e-6, 2e-5):
                    saved = {"psnr": 26.4, "cmsr_mse": threshold / 2, "macs_saved": 0.4, "time_saved": 0.3}
                    result = Result(6.0, saved, "DIV2K", "div2k")
                    yield of_model("evaluate", trained, [result], cmsr={"mse_threshold": threshold})
    narrow = training("lm-liif", 0, width=8)
    yield narrow
    yield of_model("evaluate", narrow, quality("DIV2K", "div2k", {4.0: 28.5}))
    yield of_model("profile", narrow, costs({4.0: 8e9}, 100_000, 2.0), lr_size=[180, 320])
