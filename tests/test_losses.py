"""The equations against closed forms, and against independent computations."""

import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from ifgan import losses


def simplex(n: int) -> torch.Tensor:
    """n unit vectors, every pair at cosine -1/(n - 1)."""
    centred = torch.eye(n, dtype=torch.float64) - 1 / n
    return centred / centred.norm(dim=1, keepdim=True)


@pytest.mark.parametrize(
    ("centers", "value"),
    [
        (torch.ones(6, 8), 60.0),  # all parallel: 30 ordered pairs of 2
        (torch.eye(6, 8), 30.0),  # orthogonal
        (simplex(6), 24.0),  # regular simplex, the minimum
        (simplex(7), 35.0),
        (torch.zeros(6, 8), 30.0),  # before the first update
    ],
)
def test_separation_of_six_centres(centers: torch.Tensor, value: float) -> None:
    assert losses.center_separation(centers).item() == pytest.approx(value, abs=1e-4)


def test_alpha_times_separation_lies_between_its_bounds() -> None:
    for seed in range(20):
        centers = torch.randn(6, 16, generator=torch.Generator().manual_seed(seed))
        assert 0.72 - 1e-5 <= 0.03 * losses.center_separation(centers).item() <= 1.8 + 1e-5


def test_island_loss_of_two_classes_by_hand() -> None:
    features, labels = torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([0, 1])
    centers = torch.tensor([[1.0, 0.0], [0.0, 2.0]])  # distances 4 and 9 + 4; orthogonal: two pairs of 1
    assert losses.island_loss(features, labels, centers, alpha=0.5).item() == pytest.approx((4 + 13) / 2 + 0.5 * 2)
    summed = losses.island_loss(features, labels, centers, alpha=0.5, reduction="sum")
    assert summed.item() == pytest.approx(4 + 13 + 0.5 * 2)


def test_center_loss_gradient_against_finite_differences() -> None:
    features = torch.randn(5, 4, requires_grad=True)
    labels, centers = torch.tensor([0, 1, 2, 0, 1]), torch.randn(3, 4)
    for reduction, share in (("mean", 1 / 5), ("sum", 1)):
        (gradient,) = torch.autograd.grad(losses.center_loss(features, labels, centers, reduction=reduction), features)
        assert_close(gradient, 2 * share * (features.detach() - centers[labels]))


def test_separation_gradient_equals_autograd() -> None:
    centers = torch.randn(6, 10, requires_grad=True)
    losses.center_separation(centers).backward()
    assert_close(losses.separation_gradient(centers.detach()), centers.grad)


def test_centres_follow_wen_et_al() -> None:
    state = losses.Centers(2, 2, rate=0.5, alpha=0.0)
    state.values.copy_(torch.tensor([[1.0, 1.0], [5.0, 5.0]]))
    features, labels = torch.tensor([[3.0, 1.0], [1.0, 3.0]]), torch.tensor([0, 0])
    state.update(state.class_sums(features, labels))
    # class 0: sum of (c - x) = (-2, -2), over 1 + 2, times 0.5; class 1 has no sample and stays
    assert_close(state.values, torch.tensor([[1 + 1 / 3, 1 + 1 / 3], [5.0, 5.0]]))


def test_centre_sums_of_two_halves_are_those_of_the_whole() -> None:
    state = losses.Centers(3, 4)
    features, labels = torch.randn(10, 4), torch.randint(0, 3, (10,))
    halves = state.class_sums(features[:5], labels[:5]) + state.class_sums(features[5:], labels[5:])
    assert_close(halves, state.class_sums(features, labels))


def test_separation_step_drives_centres_apart() -> None:
    state = losses.Centers(6, 16, rate=0.5, alpha=1.0)
    state.values.copy_(torch.rand(6, 16) + 1)
    before = losses.center_separation(state.values)
    for _ in range(50):
        state.update(state.class_sums(torch.zeros(0, 16), torch.zeros(0, dtype=torch.long)))
    assert losses.center_separation(state.values) < before


def test_undecided_discriminator_and_generator_cost_log_two() -> None:
    zero = torch.zeros(4, 1, 5, 5)
    assert losses.discriminator_loss(zero, zero).item() == pytest.approx(math.log(2))
    assert losses.generator_loss(zero).item() == pytest.approx(math.log(2))
    assert losses.generator_loss(zero, saturating=True).item() == pytest.approx(-math.log(2))


def test_both_generator_forms_push_the_same_way_but_only_one_vanishes_when_d_wins() -> None:
    gradients = {}
    for saturating in (False, True):
        logits = torch.full((1,), -8.0, requires_grad=True)
        losses.generator_loss(logits, saturating=saturating).backward()
        gradients[saturating] = logits.grad.item()
    assert gradients[False] == pytest.approx(-1, abs=1e-3)
    assert -1e-3 < gradients[True] < 0


def test_expression_loss_is_the_sum_of_two_expectations() -> None:
    logits, labels = torch.zeros(8, 6), torch.tensor([0, 1, 2, 3])
    assert losses.expression_loss(logits, labels, passes=2).item() == pytest.approx(2 * math.log(6))
    assert losses.expression_loss(logits[:4], labels).item() == pytest.approx(math.log(6))


def test_a_loss_without_weight_is_an_error_and_weights_multiply() -> None:
    parts = {"l1": torch.tensor(2.0), "gan": torch.tensor(3.0)}
    assert losses.weighted_sum(parts, {"l1": 20.0, "gan": 1.0}).item() == 43.0
    with pytest.raises(KeyError):
        losses.weighted_sum(parts, {"l1": 20.0})


def test_both_sides_of_eq_2_at_logits_that_are_not_zero() -> None:
    real, fake = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([0.5, -3.0])
    yes, no = real.sigmoid().log().mean(), (1 - fake.sigmoid()).log().mean()
    assert_close(losses.discriminator_loss(real, fake), -(yes + no) / 2)
    assert_close(losses.generator_loss(fake), -fake.sigmoid().log().mean())
    assert_close(losses.generator_loss(fake, saturating=True), no)


def test_centres_move_apart_by_rate_times_alpha_times_the_gradient() -> None:
    start = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    losses.center_separation(start).backward()
    state = losses.Centers(3, 5, rate=0.5, alpha=0.03)
    state.values.copy_(start.detach())
    features, labels = torch.randn(4, 5, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 0, 0, 1])
    state.update(state.class_sums(features, labels))
    counts = torch.tensor([3, 1, 0])
    pull = torch.stack([(start[k].detach() - features[labels == k]).sum(0) / (1 + counts[k]) for k in range(3)])
    assert_close(state.values, start.detach() - 0.5 * (pull + 0.03 * start.grad))


def test_a_class_that_no_batch_has_shown_stays_at_the_origin() -> None:
    state = losses.Centers(3, 4)
    for _ in range(3):
        state.update(state.class_sums(torch.eye(2, 4), torch.tensor([0, 1])))
    assert (state.values[2] == 0).all() and 0 < state.values[:2].norm() < 2


def test_rare_labels_weigh_more_and_images_as_much_as_before_on_average() -> None:
    targets = F.one_hot(torch.tensor([0] * 90 + [1] * 10), 3).float()
    torch.testing.assert_close(losses.rarity(targets, 0), torch.tensor([1.0, 1, 1]) / 1.01)  # the third is in none
    weights = losses.rarity(targets, 1)
    assert weights[0] * 90 == pytest.approx(weights[1] * 10) == pytest.approx(weights[2] * 1)
    logits = torch.randn(100, 3)
    each = F.cross_entropy(logits, targets.argmax(1), reduction="none")
    expected = (weights[targets.argmax(1)] * each).mean()
    torch.testing.assert_close(losses.expression_loss(logits, targets, weights=weights), expected)
