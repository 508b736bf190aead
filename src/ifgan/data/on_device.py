"""Pairs that lie in a device's memory and are turned, cropped and blanked there, a batch at a time.

The same as `ifgan.data.pairs` makes, but for the rounding of grey values: what is drawn for an image is a function of
(seed, epoch, image) here as there. Small networks on a fast GPU wait for loader processes otherwise.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ifgan.data.pairs import Batch, FacePairs
from ifgan.faces.model_input import Augmentation, crop_corner, to_model_input, working_side

_NOTHING_BLANK = (0, 0, 0, 0)


class Draws(torch.utils.data.Dataset[Tensor]):
    """What is drawn for the images of ``pairs``, for loader processes that never touch a device. Indexed by (epoch,
    index); (10,) float32 each: index, flip (0 or 1), angle in degrees, zoom, and in pixels left and top of the crop,
    left, top, right and bottom of the blank; see `ifgan.faces.model_input.Augmentation`.
    """

    def __init__(self, pairs: FacePairs) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, key: tuple[int, int]) -> Tensor:
        """The row of one image, as `PairsOnDevice.batch` takes it."""
        epoch, index = key
        drawn = self._pairs.draw(epoch, index)
        corner = crop_corner(self._pairs.size_px, drawn)
        blank = drawn.blank or _NOTHING_BLANK
        return torch.tensor([index, drawn.flip, drawn.angle_deg, drawn.zoom, *corner, *blank], dtype=torch.float32)


class PairsOnDevice:
    """The images of ``pairs`` on ``device``, one byte a pixel (and one channel, where they are grey). Raises
    InputError for more of them than `FacePairs` keeps in memory, and PictureError like it for broken ones.
    """

    def __init__(self, pairs: FacePairs, device: torch.device) -> None:
        self.labels, self.size_px, self.draws = pairs.labels, pairs.size_px, Draws(pairs)
        self.average_inputs = pairs.average_inputs
        channels = 1 if pairs.form.grey else 3
        stacked = np.stack([picture[..., :channels] for picture in pairs.pictures()])  # (N, W, W, 1 or 3)
        self._pictures = torch.from_numpy(stacked).to(device).permute(0, 3, 1, 2).contiguous()
        self.samples = pairs.samples
        self._label = torch.tensor([self.labels.index(item.sample.expression) for item in pairs.samples], device=device)
        self._target = torch.stack([pairs.target(index) for index in range(len(pairs))]).to(device)  # (M, N)
        both = [[_average(pairs, name, flip=flip) for flip in (False, True)] for name in self.labels]
        self._averages = torch.stack([torch.stack(two) for two in both]).to(device)  # (labels, 2, 3, S, S)

    def __len__(self) -> int:
        return len(self._label)

    def batch_of(self, indices: Sequence[int]) -> Batch:
        """The pairs of the first epoch, as `FacePairs.batch_of`, on the device."""
        return self.batch(torch.stack([self.draws[0, index] for index in indices]))

    def batch(self, drawn: Tensor) -> Batch:
        """The pairs of collated rows of `Draws`, (B, 10), on the device; see `ifgan.data.pairs.Batch`."""
        index, flip, angle_deg, zoom, *corner_and_blank = drawn.to(self._pictures.device).unbind(1)  # (B,) each
        maps = self._maps(flip, angle_deg, zoom, *corner_and_blank[:2])
        grid = F.affine_grid(maps, [len(index), 1, self.size_px, self.size_px], align_corners=False)
        pictures = self._pictures[index.long()].float()  # (B, 1 or 3, W, W)
        turned = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        image = (turned / 127.5 - 1).expand(-1, 3, -1, -1) * self._kept(*corner_and_blank[2:])  # (B, 3, S, S)
        label = self._label[index.long()]
        return Batch(image, self._averages[label, flip.long()], self._target[index.long()])

    def _maps(self, flip: Tensor, angle_deg: Tensor, zoom: Tensor, left_px: Tensor, top_px: Tensor) -> Tensor:
        """(B, 2, 3): from places in the crop to those in the image, both from -1 to 1; as `to_model_input` turns."""
        side, angle = working_side(self.size_px), angle_deg * (math.pi / 180)
        cosine, sine = angle.cos() / zoom, angle.sin() / zoom
        x, y = ((corner + self.size_px / 2) * 2 / side - 1 for corner in (left_px, top_px))  # the crop's centre
        share = self.size_px / side
        across = torch.stack([cosine * share, -sine * share, cosine * x - sine * y], dim=1)  # (B, 3)
        down = torch.stack([sine * share, cosine * share, sine * x + cosine * y], dim=1)  # (B, 3)
        return torch.stack([across * (1 - 2 * flip[:, None]), down], dim=1)

    def _kept(self, left: Tensor, top: Tensor, right: Tensor, bottom: Tensor) -> Tensor:
        """(B, 1, S, S): 0 in the blank rectangle, else 1."""
        place = torch.arange(self.size_px, device=left.device)
        across = (place >= left[:, None]) & (place < right[:, None])  # (B, S)
        down = (place >= top[:, None]) & (place < bottom[:, None])  # (B, S)
        return 1 - (across[:, None, None, :] & down[:, None, :, None]).float()


def _average(pairs: FacePairs, name: str, *, flip: bool) -> Tensor:
    return torch.from_numpy(to_model_input(pairs.averages[name], pairs.size_px, Augmentation(flip=flip)))
