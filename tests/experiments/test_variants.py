"""Variants of the method by name, and runs that are called what they are."""

import shutil
from pathlib import Path

import pytest

from ifgan.config import METHODS, make_config
from ifgan.errors import InputError
from ifgan.experiments.run_records import read_runs
from ifgan.experiments.variants import VARIANTS, variant_of, with_variant, without_variant


@pytest.mark.parametrize("name", VARIANTS)
def test_a_run_is_called_what_it_is(name: str):
    assert variant_of(with_variant(make_config("cpu", seed=3), name)) == name


def test_the_paper_s_methods_come_first_and_change_nothing_else():
    assert tuple(VARIANTS)[:3] == METHODS
    for method in METHODS:
        assert without_variant(with_variant(make_config("cpu"), method)) == without_variant(make_config("cpu"))


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="method 'ifgan-nothing': expected some of baseline, "):
        with_variant(make_config("cpu"), "ifgan-nothing")


def test_runs_that_differ_are_different_methods_and_equal_ones_can_not_both_count(runs: Path, tmp_path: Path):
    both = tmp_path / "runs"
    shutil.copytree(runs / "ifgan", both / "a")
    shutil.copytree(runs / "ifgan", both / "b")
    with pytest.raises(InputError, match="a and b are the same fold with the same settings"):
        read_runs(both)
    settings = both / "b" / "config.yaml"
    settings.write_text(settings.read_text().replace("epochs: 3", "epochs: 4"))
    records = read_runs(both)
    assert [record.method for record in records] == ["ifgan epochs=3", "ifgan epochs=4"]
    assert [record.outcome.method for record in records if record.outcome] == ["ifgan epochs=3", "ifgan epochs=4"]
