"""Settings from files: types and ranges are checked, and told in one sentence."""

from pathlib import Path

import pytest

from ifgan.config import Config
from ifgan.config_values import from_dict, read_config
from ifgan.errors import InputError


def test_numbers_as_yaml_reads_them(tmp_path: Path) -> None:
    """YAML 1.1 takes 1e-4, without a point, for text."""
    path = tmp_path / "config.yaml"
    path.write_text("learning_rate: 1e-4\nepochs: '3'\nattention_places: [skip]\ngenerator_learning_rate: null\n")
    assert read_config(path) == Config(epochs=3, attention_places=("skip",))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": "ten"}, "mine: epochs: expected int, got ten"),
        ({"epochs": 2.5}, "mine: epochs: expected int, got 2.5"),
        ({"learning_rate": "fast"}, "mine: learning_rate: expected float, got fast"),
        ({"schedule": "stepp"}, "mine: schedule: expected Literal.'step', 'cosine'., got stepp"),
        ({"method": "ifgann"}, "mine: method: expected Literal.*got ifgann"),
        ({"classifier_views": ["pair", "half"]}, "mine: classifier_views: expected Literal.*got half"),
        ({"teachers": "one.safetensors"}, "mine: teachers: expected tuple, got one.safetensors"),
        ({"learning_speed": 1}, "mine: unknown field 'learning_speed'"),
    ],
)
def test_values_of_another_type_are_one_sentence(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words) as found:
        from_dict(values, source="mine")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"learning_rate": -1}, "learning_rate -1.0: expected at least 0"),
        ({"learning_rate": float("nan")}, "learning_rate nan: expected at least 0"),
        ({"lambda_l1": float("inf")}, "lambda_l1 inf: expected at least 0"),
        ({"beta1": 1.5}, "beta1 1.5: expected a number from 0 to below 1"),
        ({"schedule": "step", "decay_epochs": 0}, "decay_epochs 0: expected at least 1"),
        ({"attention_key_ratio": 0}, "attention_key_ratio 0: expected at least 1"),
        ({"workers": -1}, "workers -1: expected at least 0"),
        ({"attention_level": 5}, "attention_level 5 of generator_levels 5"),
        ({"generator_levels": 1, "attention_level": 0}, "expected at least 2 levels"),
        ({"image_size": 100}, "image_size 100 is not divisible by 32"),
    ],
)
def test_numbers_out_of_range_are_told_before_anything_is_done(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        from_dict(values)
    if words.startswith(("attention_level", "image_size")):
        from_dict(values | {"method": "baseline"})  # which has no generator


def test_a_rate_of_nothing_is_not_an_unset_one() -> None:
    assert Config(generator_learning_rate=0.0).learning_rates == {
        "classifier": 1e-4, "generator": 0.0, "discriminator": 0.0
    }  # fmt: skip
    assert Config(generator_learning_rate=0.0, discriminator_learning_rate=3e-4).learning_rates["discriminator"] == 3e-4


def test_a_file_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("backbone: Jürgen\n".encode("latin-1"))
    with pytest.raises(InputError, match="can't be read as a configuration"):
        read_config(path)


@pytest.mark.parametrize("name", ["epochs", "blank_average", "teachers", "pretrained"])
def test_a_setting_without_its_value_is_one_sentence(name: str) -> None:
    with pytest.raises(InputError, match=f"config: {name}: has no value"):
        from_dict({name: None})


def test_a_rate_that_may_be_unset_and_is_no_number() -> None:
    with pytest.raises(InputError, match=r"config: generator_learning_rate: expected a number or nothing$"):
        from_dict({"generator_learning_rate": "fast"})


def test_settings_that_nothing_uses_are_not_judged() -> None:
    """Older runs hold them."""
    from_dict({"method": "ifgan-noattention", "generator_levels": 2})  # attention_level 2 would not fit
    from_dict({"schedule": "cosine", "decay_epochs": 0})
