"""The expression classifier E: any timm backbone, ResNet-101 by default. Paper §3.1, §4.3, Fig. 2.

E reads the pair {I_SE, average face} as six channels (Eq. 4), the generated face alone, or, as the baseline, I_SE
alone. Pictures come in [-1, 1], the generator's range; the ImageNet normalisation is a buffer in here, so that no
caller can use another one and gradients flow through it to G.
"""

from pathlib import Path
from typing import Any, Literal, cast

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ifgan.errors import InputError
from ifgan.models.packaged_weights import packaged_state

ClassifierInput = Literal["pair", "generated"]
PairStem = Literal["repeat", "first"]
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Classifier(nn.Module):
    """Logits and the pooled feature (on which the island loss acts, Eq. 5) of one picture or of a pair.

    Args:
        pictures: 1 or 2, i.e. 3 or 6 input channels.
        pretrained: "imagenet" for timm's weights from the hub or its cache, "packaged" for those inside a package
            (packaged_weights.py), "none", or a .safetensors/.pth file of the backbone's state. Raises InputError when
            they can't be had.
        pair_stem: how ImageNet's three-channel stem becomes six: "repeat" halves and repeats it (timm's rule, the two
            pictures weigh the same); "first" starts from the single-picture network, the second half at zero.
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
        pair_stem: PairStem = "repeat",
    ) -> None:
        super().__init__()
        self.backbone = _backbone(backbone, 3 * pictures, pretrained)
        if pictures == 2 and pair_stem == "first":
            _keep_first_picture(self.backbone)
        self.head = nn.Linear(cast(int, self.backbone.num_features), classes)
        nn.init.normal_(self.head.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN * pictures).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(_IMAGENET_STD * pictures).view(1, -1, 1, 1))

    def forward(self, *pictures: Tensor) -> tuple[Tensor, Tensor]:
        """One or two (B, 3, S, S) pictures in [-1, 1] -> logits (B, classes) and features (B, F)."""
        x = torch.cat(pictures, dim=1)  # (B, 3 or 6, S, S)
        x = ((x + 1) / 2 - self.mean) / self.std
        features = self.backbone(x)  # (B, F)
        return self.head(features), features


def _backbone(name: str, channels: int, pretrained: str) -> nn.Module:
    """timm backbone without a head: (B, channels, S, S) -> (B, F)."""
    options: dict[str, Any] = {"pretrained": pretrained != "none"}
    if pretrained == "packaged":
        options["pretrained_cfg_overlay"] = {"state_dict": packaged_state(name)}
    elif pretrained not in ("imagenet", "none"):
        path = Path(pretrained)
        if not path.is_file():
            raise InputError(f"{path}: no such weights file; expected 'imagenet', 'packaged', 'none' or a file")
        options["pretrained_cfg_overlay"] = {"state_dict": _read_state(path)}
    try:
        return timm.create_model(name, in_chans=channels, num_classes=0, **options)
    except Exception as error:  # timm, the hub client and torch each raise their own kinds
        if pretrained == "none":
            raise InputError(f"backbone {name!r} can't be built ({error}); see timm.list_models()") from error
        advice = "pass --pretrained FILE with its weights, or --pretrained none"
        raise InputError(
            f"weights {pretrained!r} of backbone {name!r} can't be had ({_short(error)}); {advice}"
        ) from error


def _read_state(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _keep_first_picture(backbone: nn.Module) -> None:
    """Undo the repeat rule: full weights on the first picture, zero on the second."""
    stem = next(module for module in backbone.modules() if isinstance(module, nn.Conv2d) and module.in_channels == 6)
    with torch.no_grad():
        stem.weight[:, :3] *= 2
        stem.weight[:, 3:] = 0


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
