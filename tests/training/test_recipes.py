"""The recipes of `conf/experiment` and the schedules of `conf/schedule` compose, and are those they claim to be."""

from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from lmf_sr.building import build, choices
from lmf_sr.jobs.settings import as_dict
from lmf_sr.paths import CONF


def configured(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=list(overrides))


@pytest.mark.parametrize("name", choices("experiment"))
def test_every_recipe_composes(name: str) -> None:
    cfg = configured(f"experiment={name}")
    assert cfg.trainer.max_steps > 0
    instantiate(cfg.sampling)


@pytest.mark.parametrize("name", choices("experiment"))
def test_every_recipe_goes_with_other_callbacks(name: str) -> None:
    cfg = configured(f"experiment={name}", "callbacks=[default]")
    assert all("_target_" in callback for callback in cfg.callbacks.values())


@pytest.mark.parametrize(
    ("verb", "name", "jobs"),
    [
        ("train", "methods", 6),
        ("train", "paper-tables", 12),
        ("train", "ablation-width", 12),
        ("train", "ablation-ensemble", 2),
        ("train", "ablation-modulation", 3),
        ("train", "ablation-code", 2),
        ("evaluate", "cmsr-grid", 28),
    ],
)
def test_every_job_of_a_named_sweep_is_another(verb: str, name: str, jobs: int) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        given = [f"experiment={name}"]
        sweep = compose(verb, overrides=given, return_hydra_config=True).hydra
        assert sweep.mode == RunMode.MULTIRUN
        swept = [f"{key}={values}" for key, values in sweep.sweeper.params.items()]
        (combinations,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(swept), None)
        found = [compose(verb, overrides=[*given, *combination]) for combination in combinations]
    assert len({OmegaConf.to_yaml(cfg) for cfg in found}) == len(found) == jobs
    if verb == "train":
        for cfg in found:
            build(as_dict(cfg.encoder), as_dict(cfg.decoder))


@pytest.mark.parametrize(
    ("experiment", "decoder", "expected"),
    [
        ("paper", "liif", {"steps": 1_000_000, "batch": 16, "lr": 1e-4, "patch": 48, "queries": 2304}),
        ("paper", "lte", {"steps": 1_000_000, "batch": 16, "lr": 1e-4, "patch": 48, "queries": 2304}),
        ("paper", "ciaosr", {"steps": 1_000_000, "batch": 16, "lr": 1e-4, "patch": 64, "queries": 4096}),
        ("paper", "lm-liif", {"steps": 1_200_000, "batch": 16, "lr": 1e-4, "patch": 48, "queries": 2304}),
        ("paper", "lm-lte", {"steps": 1_200_000, "batch": 16, "lr": 1e-4, "patch": 48, "queries": 2304}),
        ("paper", "lm-ciaosr", {"steps": 1_200_000, "batch": 16, "lr": 1e-4, "patch": 64, "queries": 4096}),
        ("[paper,paper-swinir]", "liif", {"steps": 1_000_000, "batch": 32, "lr": 2e-4, "patch": 48, "queries": 2304}),
    ],
)
def test_the_papers_recipes(experiment: str, decoder: str, expected: dict[str, Any]) -> None:
    cfg = configured(f"experiment={experiment}", f"decoder={decoder}")
    found = {"steps": cfg.trainer.max_steps, "batch": cfg.batch_size, "lr": cfg.optimizer.lr}
    assert found | {"patch": cfg.sampling.patch, "queries": cfg.sampling.queries} == expected
    assert cfg.data._target_ == "lmf_sr.data.Folder"
    assert (cfg.encoder.name == "swinir") == ("swinir" in experiment)


def test_the_default_is_the_recipe_of_liif() -> None:
    default, paper = configured(), configured("experiment=paper", "decoder=liif")
    for key in ("sampling", "batch_size", "optimizer", "schedule", "trainer"):
        assert default[key] == paper[key]


def test_refining_is_the_budget_recipe_with_larger_batches_at_a_lower_rate() -> None:
    budget, refine = configured("experiment=budget"), configured("experiment=refine")
    assert {key for key in budget if budget[key] != refine[key]} == {
        "sampling",
        "batch_size",
        "optimizer",
        "schedule",
        "trainer",
    }
    assert (refine.sampling.patch, refine.batch_size) > (budget.sampling.patch, budget.batch_size)
    assert refine.optimizer.lr < budget.optimizer.lr
    assert refine.optimizer._target_ == budget.optimizer._target_


def rate(cfg: DictConfig, step: int) -> float:
    """The learning rate that is in force after so many steps."""
    optimizer = instantiate(cfg.optimizer)([torch.nn.Parameter(torch.zeros(1))])
    schedule = instantiate(cfg.schedule)(optimizer)
    for _ in range(step):
        optimizer.step()
        schedule.step()
    return optimizer.param_groups[0]["lr"]


def test_halving_and_milestones_count_steps() -> None:
    halving = configured("schedule.step_size=3")
    assert [rate(halving, step) / 1e-4 for step in (0, 2, 3, 6)] == pytest.approx([1, 1, 0.5, 0.25])
    milestones = configured("schedule=milestones", "schedule.milestones=[2,5]")
    assert [rate(milestones, step) / 1e-4 for step in (1, 2, 4, 5)] == pytest.approx([1, 0.5, 0.5, 0.25])
    assert configured().schedule.step_size == 200_000
    assert list(configured("schedule=milestones").schedule.milestones) == [500_000, 800_000, 900_000, 950_000]


def test_onecycle_spans_the_run() -> None:
    cfg = configured("schedule=onecycle", "trainer.max_steps=100", "optimizer.lr=1e-3")
    rates = [rate(cfg, step) for step in (0, 4, 50, 99)]
    assert rates[1] == pytest.approx(1e-3)
    assert rates[0] < rates[1] > rates[2] > rates[3]
    assert rates[3] < 1e-6


@pytest.mark.parametrize(
    "group", ["callbacks", "content", "encoder", "decoder", "logger", "loss", "optimizer", "schedule", "trainer"]
)
def test_every_choice_composes(group: str) -> None:
    for name in choices(group):
        configured(f"{group}={name}")
