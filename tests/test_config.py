"""Settings from files: types and ranges are checked, and told in one sentence."""

from pathlib import Path

import pytest
import yaml

from ifgan.config import Config, from_dict, read_config, to_dict
from ifgan.errors import InputError
from ifgan.presets import make_config


def test_numbers_as_yaml_reads_them(tmp_path: Path) -> None:
    """YAML 1.1 takes 1e-4, without a point, for text."""
    path = tmp_path / "config.yaml"
    path.write_text("optimizer: {learning_rate: 1e-4, epochs: '3', generator_learning_rate: null}\nrun:\n  seed: 2\n")
    assert read_config(path) == Config().changed(epochs=3, seed=2)


def test_a_setting_is_called_by_its_own_name_where_that_says_which() -> None:
    config = Config().changed(epochs=3, generator_width=4, classifier={"weights": "none"})
    assert config == Config().changed(**{"optimizer.epochs": 3, "generator.width": 4, "classifier.weights": "none"})
    assert {name: value for name, value in config.flat().items() if Config().flat()[name] != value} == {
        "optimizer.epochs": 3, "generator.width": 4, "classifier.weights": "none"
    }  # fmt: skip
    with pytest.raises(
        InputError, match=r"unknown field 'width'; expected one of generator\.width, discriminator\.width"
    ):
        Config().changed(width=4)
    with pytest.raises(InputError, match="unknown field 'sharpness'; expected a setting"):
        Config().changed(sharpness=4)


@pytest.mark.parametrize("config", [Config(), make_config("cpu", teachers=("a",), soft_labels=0.5, method="baseline")])
def test_what_is_written_is_read_again(config: Config, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(to_dict(config)))
    assert read_config(tmp_path / "config.yaml") == config
    assert Config().changed(**config.flat()) == config


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"optimizer": {"epochs": "ten"}}, "mine: optimizer.epochs: expected a whole number, got 'ten'"),
        ({"optimizer": {"epochs": 2.5}}, "mine: optimizer.epochs: expected a whole number, got 2.5"),
        ({"optimizer": {"learning_rate": "fast"}}, "mine: optimizer.learning_rate: expected a number, got 'fast'"),
        ({"optimizer": {"generator_learning_rate": "fast"}}, "generator_learning_rate: expected a number, got 'fast'"),
        ({"optimizer": {"schedule": "stepp"}}, "mine: optimizer.schedule: expected one of 'step' or 'cosine', got 'st"),
        ({"method": "ifgann"}, "mine: method: expected one of .* got 'ifgann'"),
        ({"classifier": {"tta_inputs": ["pair", "half"]}}, "classifier.tta_inputs.1: expected one of .* got 'half'"),
        ({"classifier": {"tta_inputs": []}}, "classifier.tta_inputs: expected at least one"),
        ({"classifier": {"teachers": "one.safetensors"}}, "classifier.teachers: expected a list, got 'one.safe"),
        ({"classifier": {"backbone": 3}}, "classifier.backbone: expected text, got 3"),
        ({"preprocess": {"grey": "maybe"}}, "preprocess.grey: expected true or false, got 'maybe'"),
        ({"optimizer": {"speed": 1}}, "mine: unknown field 'optimizer.speed'"),
        ({"epochs": 3}, "mine: unknown field 'epochs'"),
        ({"losses": None}, "mine: losses: expected names and values, got nothing"),
        ({"optimizer": {"epochs": None}}, "mine: optimizer.epochs: expected a whole number, got nothing"),
        ({"classifier": {"weights": None}}, "mine: classifier.weights: expected text, got nothing"),
    ],
)
def test_values_of_another_type_are_one_sentence(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words) as found:
        from_dict(values, source="mine")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learning_rate": -1}, "optimizer.learning_rate: expected at least 0, got -1"),
        ({"learning_rate": float("nan")}, "optimizer.learning_rate: expected a finite number, got nan"),
        ({"l1": float("inf")}, "losses.l1: expected a finite number, got inf"),
        ({"beta1": 1.5}, "optimizer.beta1: expected less than 1, got 1.5"),
        ({"average_dropout": 1.5}, "classifier.average_dropout: expected at most 1, got 1.5"),
        ({"decay_epochs": 0}, "optimizer.decay_epochs: expected at least 1, got 0"),
        ({"workers": -1}, "run.workers: expected at least 0, got -1"),
        ({"attention_level": 5}, "generator.attention_level: expected less than 5, got 5"),
        ({"image_size": 100}, "preprocess.image_size 100 is not divisible by 32"),
        ({"average_dropout": 0.6, "image_dropout": 0.5}, "expected shares of at most 1 together"),
    ],
)
def test_numbers_out_of_range_are_told_before_anything_is_done(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=f"^{words}|{words}$"):
        Config().changed(**changes)
    if "image_size" in changes:
        Config().changed(method="baseline", **changes)  # which has no generator


def test_a_rate_of_nothing_is_not_an_unset_one() -> None:
    assert Config().changed(generator_learning_rate=0.0).optimizer.learning_rates == {
        "classifier": 1e-4, "generator": 0.0, "discriminator": 0.0
    }  # fmt: skip
    assert (
        Config()
        .changed(generator_learning_rate=0.0, discriminator_learning_rate=3e-4)
        .optimizer.learning_rates["discriminator"]
        == 3e-4
    )


def test_a_file_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("backbone: Jürgen\n".encode("latin-1"))
    with pytest.raises(InputError, match="can't be read as a configuration"):
        read_config(path)
