"""What G drew, as the nearest mixture of the average faces. Not in the paper, whose generated faces (§4.5) look like
nobody and still hold traces of somebody.

A mixture is a point of the simplex whose corners are the average faces of N expressions: N shares that sum to 1, and
nothing else, are left of the image. Averages show nobody, so neither does a mixture.
"""

from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
        return self.nearest(face, self.solvers())

    def solvers(self) -> Tensor:
        """(F, N + 1, N) float64: on the plane through each of the F sets of averages, from a face's products with the
        averages, and 1, to the shares of its nearest point; 0 of those outside the set.

        Least squares with one constraint (Lagrange): [[G, 1], [1, 0]] [shares, multiplier] = [products, 1].
        """
        gram, count = self._palette()[0] @ self._palette()[0].T, len(self.averages)
        found = []
        for chosen in _subsets(count):
            index, size = torch.tensor(chosen, device=gram.device), len(chosen)
            system = gram.new_ones(size + 1, size + 1)
            system[:size, :size] = gram[index][:, index]
            system[size, size] = 0
            solver = torch.linalg.pinv(system, hermitian=True)[:, :size]  # (size + 1, size)
            rows = torch.cat([index, index.new_tensor([count])])
            found.append(gram.new_zeros(count + 1, count).index_put((rows[:, None], index), solver))
        return torch.stack(found)

    def _palette(self) -> tuple[Tensor, Tensor]:
        """The averages without their mean, (N, P) float64, and that mean, (P,)."""
        palette = self.averages.flatten(1).double()
        return palette - palette.mean(dim=0), palette.mean(dim=0)

    def nearest(self, face: Tensor, solvers: Tensor) -> Tensor:
        """`shares` with the `solvers`."""
        palette, centre = self._palette()
        gram = palette @ palette.T  # (N, N)
        target = (face.flatten(1).double() - centre) @ palette.T  # (B, N)
        right = F.pad(target, (0, 1), value=1.0)  # (B, N + 1)
        candidates = torch.einsum("bk,fkn->fbn", right, solvers)  # (F, B, N)
        distance = torch.einsum("fbn,nm,fbm->fb", candidates, gram, candidates) - 2 * (candidates * target).sum(-1)
        distance = distance.masked_fill((candidates < -1e-9).any(dim=-1), torch.inf)
        nearest = distance.argmin(dim=0)[None, :, None].expand(-1, -1, len(palette))  # (1, B, N)
        best = candidates.gather(0, nearest)[0].clamp(min=0)
        return (best / best.sum(dim=1, keepdim=True)).to(face.dtype)


def _subsets(count: int) -> list[tuple[int, ...]]:
    return [chosen for size in range(1, count + 1) for chosen in combinations(range(count), size)]
