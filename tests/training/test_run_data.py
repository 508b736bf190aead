"""Whose pictures train, validate and test when other sets join. Paper §4.3."""

from pathlib import Path

import numpy as np

from ifgan.training.run_data import SplitChoice, load_run_data
from tiny_runs import make_prepared


def test_pictures_of_other_sets_join_training_and_its_averages_only(tmp_path: Path) -> None:
    own = make_prepared(tmp_path / "a", tmp_path / "own")
    other = make_prepared(tmp_path / "b", tmp_path / "other", subjects=3)
    manifest = (other / "manifest.csv").read_text()
    (other / "manifest.csv").write_text(manifest.replace(",sadness,", ",contempt,"))  # which the first set doesn't have
    alone, joined = (load_run_data(own, SplitChoice(0), extra=extra) for extra in ((), (other,)))
    assert (joined.parts["validation"], joined.parts["test"]) == (alone.parts["validation"], alone.parts["test"])
    added = joined.parts["train"][len(alone.parts["train"]) :]
    assert {located.folder for located in added} == {other}
    assert [located.sample.expression for located in added].count("anger") == 3
    assert joined.labels == alone.labels == ("anger", "happiness", "sadness")
    assert np.array_equal(joined.averages["sadness"], alone.averages["sadness"])
    assert not np.array_equal(joined.averages["anger"], alone.averages["anger"])
