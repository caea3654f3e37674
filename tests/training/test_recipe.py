"""Recipes: every error in the user's words, phases and learning rate."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdrjscc.bundled import bundled_folder
from sdrjscc.config import read_toml
from sdrjscc.errors import ConfigError
from sdrjscc.training.recipe import Optimizer, Phase, Run, load_recipe, parse_recipe, recipe_rows
from sdrjscc.training.schedule import schedule

GOOD = """
[codec]
name = "dsc_jscc"
weights = "untrained"

[run]
phases = [{ steps = 10, crop = 32, batch = 2 }]
"""

WRONG = {
    "codec is required": GOOD.replace("[codec]", "[mapping]"),
    "run is required": GOOD.partition("[run]")[0],
    "extra is not a known key": GOOD + "[extra]\n",
    "run.snr is not a known key": GOOD + "snr = 3\n",
    "optimizer.name: input should be 'adam', 'adamw' or 'muon' (got 'sgd')": GOOD
    + '[optimizer]\nname = "sgd"\n',
    "optimizer.learning_rate: input should be greater than 0 (got -1)": GOOD
    + "[optimizer]\nlearning_rate = -1\n",
    "optimizer.ema: input should be less than 1 (got 1.0)": GOOD + "[optimizer]\nema = 1.0\n",
    "optimizer.clip_norm: input should be a finite number (got inf)": GOOD + "[optimizer]\nclip_norm = inf\n",
    "snr_db must be [lowest, highest] (got [5.0, 1.0])": GOOD + "snr_db = [5, 1]\n",
    "run.phases: tuple should have at least 1 item": GOOD.replace(
        "[{ steps = 10, crop = 32, batch = 2 }]", "[]"
    ),
    "run.phases.0.crop: input should be greater than or equal to 16 (got 8)": GOOD.replace("32", "8"),
    "run.phases.0.steps: input should be a valid integer": GOOD.replace("10", "'ten'"),
    "run.validation_snr_db: tuple should have at least 1 item": GOOD + "validation_snr_db = []\n",
    "data.validation_share: input should be less than 0.5 (got 0.9)": GOOD
    + "[data]\nvalidation_share = 0.9\n",
    "[codec] must have a name": GOOD.replace('name = "dsc_jscc"', ""),
    "loss: input should be 'mse' (got 'gan')": 'loss = "gan"\n' + GOOD,
    "must be valid TOML": GOOD + "][",
}


@pytest.mark.parametrize(("good", "bad"), [("32", "8"), ("10", "'ten'")])
def test_a_wrong_item_does_not_make_a_list_too_short(good: str, bad: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(GOOD.replace(good, bad))
    with pytest.raises(ConfigError, match=r"^run\.phases\.0\.[^;]*$"):
        load_recipe(path)


@pytest.mark.parametrize("sentence", WRONG)
def test_wrong_recipes_are_refused_in_words(sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(WRONG[sentence])
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_names_the_bundled_ones() -> None:
    with pytest.raises(ConfigError, match=r"dsc_jscc_60-E2D2.*\(got 'nonsense'\)"):
        load_recipe("nonsense")


def test_bundled_recipes_are_valid() -> None:
    names = sorted(path.stem for path in bundled_folder("recipes").glob("train/*.toml"))
    assert "dsc_jscc_60-E2D2" in names
    for name in names:
        recipe = load_recipe(name)
        assert recipe.codec["weights"] == "untrained"
        assert recipe.run.steps >= 300


def test_a_recipe_survives_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(GOOD)
    recipe = parse_recipe(read_toml(path))
    assert parse_recipe(recipe.model_dump(mode="json")) == recipe


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=4))
def test_steps_and_pictures_are_counted_over_phases(shape: list[tuple[int, int]]) -> None:
    phases = tuple(Phase(steps=steps, crop=16 + n, batch=batch) for n, (steps, batch) in enumerate(shape))
    run = Run(phases=phases)
    one_by_one = [phase for phase in phases for _ in range(phase.steps)]
    drawn = 0
    for step, phase in enumerate(one_by_one):
        assert run.at(step) == (phase, drawn)
        drawn += phase.batch
    assert run.steps == len(one_by_one)


def test_learning_rate_warms_up_and_follows_a_cosine() -> None:
    optimizer = Optimizer(learning_rate=2.0, warmup_steps=4, final_share=0.1)
    rates = [schedule(optimizer, step, 104) for step in range(105)]
    assert rates[:5] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])
    assert rates[54] == pytest.approx(0.2 + 1.8 / 2)
    assert rates[29] == pytest.approx(0.2 + 1.8 * (1 + math.cos(math.pi / 4)) / 2)
    assert rates[104] == pytest.approx(0.2)
    assert sorted(rates[4:], reverse=True) == rates[4:]


@pytest.mark.parametrize(("warmup", "steps"), [(0, 1), (0, 5), (10, 5), (5, 5)])
def test_schedules_of_short_runs_are_positive(warmup: int, steps: int) -> None:
    optimizer = Optimizer(learning_rate=1.0, warmup_steps=warmup)
    assert all(0 < schedule(optimizer, step, steps) <= 1 for step in range(steps))


def test_a_variant_is_not_swallowed(tmp_path: Path) -> None:
    """A codec of the user's without a Config takes any table, also one that it does not look at."""
    path = tmp_path / "recipe.toml"
    own = GOOD.replace('"dsc_jscc"', '"training_codec:build"')
    path.write_text(own)
    with pytest.raises(ConfigError) as caught:
        load_recipe(path, "foo")
    assert str(caught.value) == (
        "variant must be left out for codec training_codec:build, which has none (got 'foo')"
    )
    path.write_text(own.replace("weights =", 'variant = "bar"\nweights ='))
    assert load_recipe(path, "foo").codec["variant"] == "foo"
    path.write_text(GOOD)
    assert load_recipe(path, "80").codec["variant"] == "80"


def test_bundled_recipes_are_described_in_a_sentence() -> None:
    rows = {row["recipe"]: row for row in recipe_rows()}
    assert rows.keys() == {path.stem for path in bundled_folder("recipes").glob("train/*.toml")}
    assert rows["ren2026_sparse"] == {
        "recipe": "ren2026_sparse",
        "codec": "ren2026/base",
        "steps": 800,
        "description": "Sparse training before pruning: an L1 term on the latent's batch norm",
    }
    assert all(row["description"] and "sdrjscc train" not in row["description"] for row in rows.values())
