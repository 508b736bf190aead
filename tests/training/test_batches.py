"""Which images make a batch, and in which order; the learning rate over epochs."""

import pytest

from ifgan.errors import InputError
from ifgan.training.batches import EpochBatches
from ifgan.training.schedule import learning_rate_factor
from tiny_runs import tiny


def test_an_epoch_shows_every_picture_once_in_an_order_of_its_own() -> None:
    def order(epoch: int, seed: int = 0, **share: int) -> list[int]:
        keys = [key for batch in EpochBatches(24, 8, seed=seed, epoch=epoch, **share) for key in batch]
        assert {key[0] for key in keys} == {epoch}
        return [index for _, index in keys]

    orders = [order(0), order(1), order(0, seed=1)]
    assert all(sorted(one) == list(range(24)) for one in orders)
    assert len({tuple(one) for one in orders}) == 3
    assert order(1, first=2) == orders[1][16:]  # what is left of an epoch that was broken off
    shares = [order(1, rank=rank, processes=2) for rank in (0, 1)]
    together = [{*shares[0][k : k + 4], *shares[1][k : k + 4]} for k in (0, 4, 8)]
    assert [{*orders[1][k : k + 8]} for k in (0, 8, 16)] == together


def test_what_no_batch_has_room_for_is_another_rest_in_each_epoch() -> None:
    epochs = [EpochBatches(26, 8, seed=0, epoch=epoch) for epoch in range(9)]
    left = [set(range(26)) - {index for batch in epoch for _, index in batch} for epoch in epochs]
    assert all(len(rest) == 2 for rest in left) and len(set.union(*left)) > 6


def test_the_cosine_schedule_by_hand() -> None:
    config = tiny(schedule="cosine", epochs=11, warmup_epochs=1)
    factors = [learning_rate_factor(config, done) for done in (0.5, 1, 3.5, 6, 11)]
    assert factors == pytest.approx([0.5, 1, (2 + 2**0.5) / 4, 0.5, 0])


def test_a_warm_up_shorter_than_the_least_step_never_exceeds_the_rate() -> None:
    config = tiny(schedule="cosine", epochs=11, warmup_epochs=0.05)
    assert max(learning_rate_factor(config, done / 100) for done in range(1100)) <= 1


def test_a_batch_that_does_not_divide_is_one_sentence():
    with pytest.raises(InputError, match="batch_size 7 is not divisible by 2 processes"):
        EpochBatches(20, 7, seed=0, epoch=0, processes=2)
