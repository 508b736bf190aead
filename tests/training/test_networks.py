"""What building a run's networks changes in them: where products are rounded, and nothing else."""

import timm
import torch
from torch import nn

from ifgan.training.networks import keep_depthwise_in_fp32


def test_depthwise_convolutions_keep_fp32_among_bfloat16_ones() -> None:
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    x, keys = torch.randn(2, 3, 64, 64), list(network.state_dict())
    with torch.inference_mode():
        before = network(x)
        keep_depthwise_in_fp32(network)
        assert torch.equal(network(x), before)  # in fp32 they are what they were
    assert list(network.state_dict()) == keys
    kinds: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            depthwise = part.groups > 1
            part.register_forward_hook(lambda _, inputs, output, d=depthwise: kinds[d].add(output.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(x).float().sum().backward()
    assert kinds == {True: {torch.float32}, False: {torch.bfloat16}}
    assert all(parameter.grad is not None for parameter in network.parameters())
