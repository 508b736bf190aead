"""What G drew, as the nearest mixture of the average faces. Not in the paper, whose generated faces (§4.5) look like
nobody and still hold traces of somebody.

A mixture is a point of the simplex whose corners are the average faces of N expressions: N shares that sum to 1, and
nothing else, are left of the image. Averages show nobody, so neither does a mixture.
"""

from itertools import combinations

import torch
from torch import Tensor, nn

from ifgan.errors import InputError


class Mixture(nn.Module):
    """Projects images on the simplex of the average faces.

    ``averages``: (N, 3, S, S) in [-1, 1], kept in checkpoints; zeros until somebody sets them.
    """

    averages: Tensor

    def __init__(self, expressions: int, size_px: int) -> None:
        super().__init__()
        self.register_buffer("averages", torch.zeros(expressions, 3, size_px, size_px))

    def forward(self, face: Tensor) -> Tensor:
        """(B, 3, S, S) -> the nearest mixture of each, (B, 3, S, S). Raises InputError without average faces."""
        return torch.einsum("bn,nchw->bchw", self.shares(face), self.averages)

    def shares(self, face: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, N), at least 0, rows sum to 1: of each average face, the share.

        Exact: on every face of the simplex (a set of averages that take part) the nearest point of its plane has a
        closed form; of those whose shares are not negative, the nearest wins. N is 8 at most, so there are 255.
        """
        if not self.averages.any():
            raise InputError("the model holds no average faces to mix; train it again with this version of ifgan")
        palette = self.averages.flatten(1).double()  # (N, P)
        centre = palette.mean(dim=0)
        palette = palette - centre
        gram = palette @ palette.T  # (N, N)
        target = (face.flatten(1).double() - centre) @ palette.T  # (B, N)
        candidates = torch.stack([_on(chosen, gram, target) for chosen in _subsets(len(palette))])  # (F, B, N)
        distance = torch.einsum("fbn,nm,fbm->fb", candidates, gram, candidates) - 2 * (candidates * target).sum(-1)
        distance = distance.masked_fill((candidates < -1e-9).any(dim=-1), torch.inf)
        best = candidates[distance.argmin(dim=0), torch.arange(len(target), device=target.device)].clamp(min=0)
        return (best / best.sum(dim=1, keepdim=True)).to(face.dtype)


def _subsets(count: int) -> list[tuple[int, ...]]:
    return [chosen for size in range(1, count + 1) for chosen in combinations(range(count), size)]


def _on(chosen: tuple[int, ...], gram: Tensor, target: Tensor) -> Tensor:
    """(B, N): the shares of the point nearest to each target on the plane through the chosen averages; others are 0.

    Least squares with one constraint (Lagrange): [[G, 1], [1, 0]] [shares, multiplier] = [target, 1].
    """
    index, size = torch.tensor(chosen, device=gram.device), len(chosen)
    system = gram.new_ones(size + 1, size + 1)
    system[:size, :size] = gram[index][:, index]
    system[size, size] = 0
    right = torch.cat([target[:, index], target.new_ones(len(target), 1)], dim=1)  # (B, size + 1)
    solved = right @ torch.linalg.pinv(system, hermitian=True)  # (B, size + 1); the matrix is its own transpose
    return torch.zeros_like(target).index_copy(1, index, solved[:, :size])
