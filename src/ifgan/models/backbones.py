"""timm backbones with or without ImageNet's weights, for E (paper §4.3) and, as an option, for G's encoding path."""

from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ifgan.errors import InputError
from ifgan.models.packaged_weights import packaged_state
from ifgan.models.tensor_file import header_of_any, read_tensors
from ifgan.weights import PACKAGED_MODEL, packaged_model

NOT_OF_FACES = ("imagenet", "packaged", "none")  # names of weights that learnt no expression
_OURS = "classifier.backbone"  # what E's backbone is called in a checkpoint of ifgan
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def make_backbone(name: str, pretrained: str, **options: Any) -> nn.Module:
    """``timm.create_model`` with the weights that ``pretrained`` names: "imagenet" for timm's from the hub or its
    cache, "packaged" for those inside a package (packaged_weights.py), "none", "ifgan-wild" (the package's own model)
    or a .safetensors/.pth file, also a checkpoint of ifgan: of its E the backbone, of a pair's stem the image's half.

    Raises InputError when there is no such backbone or its weights can't be had.
    """
    options |= {"pretrained": pretrained != "none"}
    if pretrained == "packaged":
        options["pretrained_cfg_overlay"] = {"state_dict": packaged_state(name)}
    elif pretrained not in ("imagenet", "none"):
        options["pretrained_cfg_overlay"] = {"state_dict": _backbone_state(pretrained, name)}
    try:
        return timm.create_model(name, **options)
    except Exception as error:  # timm, the hub client and torch each raise their own kinds
        if pretrained == "none":
            raise InputError(f"backbone {name!r} can't be built ({error}); see timm.list_models()") from error
        advice = "pass --classifier.weights FILE, or none"
        raise InputError(
            f"weights {pretrained!r} of backbone {name!r} can't be had ({_short(error)}); {advice}"
        ) from error


def check_weights(pretrained: str) -> None:
    """Raise InputError where ``pretrained`` is neither a name that `make_backbone` knows nor a file."""
    if pretrained not in (*NOT_OF_FACES, PACKAGED_MODEL) and not Path(pretrained).is_file():
        names = ", ".join((*NOT_OF_FACES, PACKAGED_MODEL))
        hint = "; a run's weights are its checkpoint/best.safetensors" if Path(pretrained).is_dir() else ""
        raise InputError(f"{pretrained}: no such weights file; expected {names} or a file{hint}")


def leave_out_pooling(backbone: nn.Module, name: str) -> None:
    """Take the max pooling from behind a ResNet's stem. Raises InputError for a backbone without one."""
    if not isinstance(getattr(backbone, "maxpool", None), nn.MaxPool2d):
        raise InputError(f"classifier.stem_pooling false: backbone {name} has no max pooling behind its stem")
    backbone.maxpool = nn.Identity()


def read_part(source: str, part: str) -> dict[str, Tensor]:
    """Of a checkpoint of ifgan, or of "ifgan-wild", the weights of one part of its system, by their names within it;
    empty where it has none. Raises InputError for a file that is missing or can't be read.
    """
    return _part(_read_state(source), part)


def _part(state: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    found = {name.removeprefix(f"{part}."): state[name] for name in state if name.startswith(f"{part}.")}
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in found.items()}


def _read_state(source: str) -> dict[str, Tensor]:
    path = weights_file(source)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".onnx":
            return read_tensors(path)[0]
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and safetensors each raise their own kinds
        raise InputError(f"{path}: can't be read as weights ({_short(error)})") from error


def weights_file(source: str) -> Path:
    """The file that a name of weights from faces stands for. Raises InputError where there is none."""
    if source in NOT_OF_FACES:
        raise InputError(f"{source}: no weights that were learnt from faces; expected {PACKAGED_MODEL} or a checkpoint")
    check_weights(source)
    return packaged_model() if source == PACKAGED_MODEL else Path(source)


def _backbone_of(path: Path) -> str | None:
    """Of which backbone a checkpoint of ifgan says that its E is; None for files that say nothing."""
    if path.suffix not in (".onnx", ".safetensors"):
        return None
    return (header_of_any(path) or {}).get("config", {}).get("classifier", {}).get("backbone")


def _backbone_state(source: str, backbone: str) -> dict[str, Tensor]:
    state = _read_state(source)
    ours = _part(state, _OURS)
    if ours and (theirs := _backbone_of(weights_file(source))) not in (None, backbone):
        raise InputError(f"weights {source!r}: of backbone {theirs}, and not of {backbone}; pass the backbone of its E")
    known = timm.get_pretrained_cfg(backbone)
    if known is not None and (stem := f"{known.first_conv}.weight") in ours:
        ours[stem] = ours[stem][:, :3]  # of a pair's six channels the image's; three stay three
    return ours or state


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
