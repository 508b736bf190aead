"""The losses. Paper §3.2, Eq. 1-5.

Every function returns a scalar. `weighted_sum` (Eq. 1) is the only place where its lambdas meet losses.
What the equations leave open is in docs/choices.md.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Reduction = Literal["mean", "sum"]


def weighted_sum(losses: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """Eq. 1: sum of lambda_i * L_i over the terms present. A loss without a weight is a KeyError."""
    return sum((weights[name] * loss for name, loss in losses.items()), start=torch.zeros(()))


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Eq. 2 as D minimises it: -(E[log D(real)] + E[log(1 - D(fake))]) / 2, averaged over patches.

    Logits of any shape. The half slows D down, as pix2pix does (§3.3 there).
    """
    real = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    fake = F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    return (real + fake) / 2


def generator_loss(fake_logits: Tensor, *, saturating: bool = False) -> Tensor:
    """Eq. 2 as G minimises it: -E[log D(fake)] (Goodfellow's non-saturating form), averaged over patches.

    ``saturating`` takes the equation to the letter, E[log(1 - D(fake))], whose gradient vanishes while D wins.
    """
    if saturating:
        return -F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    return F.binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))


def l1_loss(fake: Tensor, average: Tensor) -> Tensor:
    """Eq. 3: mean absolute difference of generated and average face, (B, 3, S, S) each, in units of [-1, 1]."""
    return F.l1_loss(fake, average)


def expression_loss(logits: Tensor, targets: Tensor, *, passes: int = 1, weights: Tensor | None = None) -> Tensor:
    """Eq. 4 with the minus sign that it lacks: -E[log p(l_e | real pair)] - E[log p(l_e | fake pair)].

    logits: (passes * B, N), the real pairs first, then the fake ones; targets: the share of each label (B, N), over
    which the expectation is too. The baseline has one pass. Each expectation is a mean over B, so two passes weigh
    twice as much as one, as in the equation. ``weights``: of each label's term (N,), see `rarity`; unset: 1.
    """
    return passes * F.cross_entropy(logits.float(), torch.cat([targets] * passes), weight=weights)


def rarity(targets: Tensor, power: float) -> Tensor:
    """Weights (N,) for `expression_loss`: each label's share of all targets (M, N) to the power of -``power``, scaled
    so that the mean weight of an image is 1. A label that is in no target weighs as if in one. Not in the paper.
    """
    shares = targets.sum(0).clamp(min=1) / len(targets)
    weights = shares**-power
    return weights / (weights * shares).sum()


def center_loss(features: Tensor, labels: Tensor, centers: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """First term of Eq. 5: squared distance to the own class's centre, over the batch.

    features: (M, F); labels: (M,) long; centers: (N, F). The paper sums; at batch 50 and 2048 features the sum drowns
    the other terms, hence the mean.
    """
    distances = (features.float() - centers[labels]).square().sum(dim=1)  # (M,)
    return distances.mean() if reduction == "mean" else distances.sum()


def center_separation(centers: Tensor) -> Tensor:
    """Second term of Eq. 5 without alpha: sum over ordered pairs of (cosine + 1).

    centers: (N, F). For six centres: 60 when all are parallel, 30 orthogonal, 24 in a regular simplex (the minimum).
    """
    unit = F.normalize(centers.float(), dim=1)
    cosines = unit @ unit.T  # (N, F) x (F, N) -> (N, N)
    off_diagonal = ~torch.eye(len(centers), dtype=torch.bool, device=centers.device)
    return (cosines[off_diagonal] + 1).sum()


def island_loss(
    features: Tensor, labels: Tensor, centers: Tensor, *, alpha: float = 0.03, reduction: Reduction = "mean"
) -> Tensor:
    """Eq. 5, after Cai et al., https://arxiv.org/abs/1710.03144: centre term + alpha * separation, in fp32."""
    separation = alpha * center_separation(centers)
    return center_loss(features, labels, centers, reduction=reduction) + separation


class Centers(nn.Module):
    """The expression centres c_j of Eq. 5: state, not parameters, so no optimizer and no weight decay moves them.

    Wen et al. (https://ydwen.github.io/papers/WenECCV16.pdf, Eq. 4) move a centre by
    ``-rate * sum over its samples of (c_j - x_i) / (1 + n_j)``, whatever the loss's weight. The separation term acts on
    centres alone, so it needs a step of its own: its gradient times alpha, as in Cai et al.
    """

    values: Tensor

    def __init__(self, classes: int, features: int, *, rate: float = 0.5, alpha: float = 0.03) -> None:
        super().__init__()
        self.rate, self.alpha = rate, alpha
        self.register_buffer("values", torch.zeros(classes, features))

    @torch.no_grad()
    def class_sums(self, features: Tensor, labels: Tensor) -> Tensor:
        """What an update needs of a batch: per class the sum of features and the count, (N, F + 1).

        Sums of several processes add up to those of their joint batch.
        """
        one_hot = F.one_hot(labels, len(self.values)).float()  # (M, N)
        counted = F.pad(features.detach().float(), (0, 1), value=1.0)  # (M, F + 1)
        return one_hot.T @ counted  # (N, M) x (M, F + 1) -> (N, F + 1)

    @torch.no_grad()
    def update(self, class_sums: Tensor) -> None:
        """Move the centres by the sums of one (joint) batch, (N, F + 1)."""
        sums, counts = class_sums[:, :-1], class_sums[:, -1:]
        step = (counts * self.values - sums) / (1 + counts) + self.alpha * separation_gradient(self.values)
        self.values -= self.rate * step


def separation_gradient(centers: Tensor) -> Tensor:
    """Gradient of `center_separation` with respect to the centres, (N, F) -> (N, F); 0 for a centre at the origin.

    For c_j: 2 * sum over k != j of (u_k - (u_k . u_j) u_j) / |c_j|, u being unit vectors; 2 since pairs are ordered.
    """
    norms = centers.norm(dim=1, keepdim=True)  # (N, 1)
    unit = F.normalize(centers, dim=1)
    total = unit.sum(dim=0, keepdim=True) - unit  # (N, F): sum over k != j
    tangential = total - (total * unit).sum(dim=1, keepdim=True) * unit
    return torch.where(norms > 0, 2 * tangential / norms.clamp_min(1e-12), 0.0)
