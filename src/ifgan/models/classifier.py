"""The expression classifier E: any timm backbone, ResNet-101 by default. Paper §3.1, §4.3, Fig. 2.

E reads the pair {I_SE, average face} as six channels (Eq. 4), or, as the baseline, I_SE alone. A stem of three
channels becomes one of six by timm's rule: halved and repeated, so that both images weigh the same. Images come in
[-1, 1], the generator's range; the ImageNet normalisation is a buffer in here, so that no caller can use another one
and gradients flow through it to G.
"""

from typing import cast

import torch
from torch import Tensor, nn

from ifgan.models.backbones import IMAGENET_MEAN, IMAGENET_STD, leave_out_pooling, make_backbone, to_imagenet_range


class Classifier(nn.Module):
    """Logits and the pooled feature (on which the island loss acts, Eq. 5) of one picture or of a pair.

    Args:
        pictures: 1 or 2, i.e. 3 or 6 input channels.
        pretrained: "imagenet", "packaged", "none" or a file (backbones.py). Raises InputError when they can't be had.
        stem_pooling: whether the stem ends in its max pooling; without it maps are twice as fine. Raises InputError for
            a backbone that has none to leave out.
        dropout: share of the features that the decision doesn't see in training; the island loss sees all.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        backbone: str = "resnet101.tv_in1k",
        classes: int = 6,
        pictures: int = 2,
        pretrained: str = "imagenet",
        stem_pooling: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.backbone = make_backbone(backbone, pretrained, in_chans=3 * pictures, num_classes=0)  # -> (B, F)
        if not stem_pooling:
            leave_out_pooling(self.backbone, backbone)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(cast(int, self.backbone.num_features), classes)
        nn.init.normal_(self.head.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN * pictures).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD * pictures).view(1, -1, 1, 1))

    def forward(self, *pictures: Tensor) -> tuple[Tensor, Tensor]:
        """One or two (B, 3, S, S) pictures in [-1, 1] -> logits (B, classes) and features (B, F)."""
        x = torch.cat(pictures, dim=1)  # (B, 3 or 6, S, S)
        features = self.backbone(to_imagenet_range(x, self.mean, self.std))  # (B, F)
        return self.head(self.dropout(features)), features
