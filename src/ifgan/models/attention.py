"""Self-attention over the positions of a feature map. Paper §3.1, Fig. 4; after SAGAN, https://arxiv.org/abs/1805.08318.

Letters: B batch, C channels, K = C / 8 key channels, N = H*W positions, Q asked query positions.

How ours differs from the ports in circulation: the N x N map is never built in training or prediction. Keys and
queries are padded with zero channels to the width of the values, which changes no product, so that the fused kernel
of `torch.nn.functional.scaled_dot_product_attention` takes them; its memory grows with N, not N^2. Rows of the map are
computed only when `rows` is asked for them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """``y = x + gamma * attention(x)``; gamma starts at 0, so a new module is the identity.

    Softmax over the keys, no scaling of the logits (the paper and SAGAN have none).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        key_channels = max(channels // 8, 1)
        self.query = nn.Conv2d(channels, key_channels, 1)
        self.key = nn.Conv2d(channels, key_channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W) -> (B, C, H, W)."""
        query, key, value = (_positions(conv(x)) for conv in (self.query, self.key, self.value))
        padding = value.shape[-1] - query.shape[-1]
        mixed = F.scaled_dot_product_attention(
            F.pad(query, (0, padding)),  # (B, 1, N, K) -> (B, 1, N, C)
            F.pad(key, (0, padding)),
            value,
            scale=1.0,
        )  # (B, 1, N, C)
        return x + self.gamma * mixed.squeeze(1).transpose(1, 2).reshape(x.shape)  # (B, N, C) -> (B, C, H, W)

    def rows(self, x: Tensor, positions: Tensor) -> Tensor:
        """The rows of the attention map that belong to some query positions, for Fig. 6.

        x: (B, C, H, W); positions: (Q,) long, row * W + column -> (B, Q, H, W), each map sums to 1.
        """
        query = _positions(self.query(x)).squeeze(1)[:, positions]  # (B, Q, K)
        key = _positions(self.key(x)).squeeze(1)  # (B, N, K)
        attention = (query @ key.transpose(1, 2)).softmax(dim=-1)  # (B, Q, K) x (B, K, N) -> (B, Q, N)
        return attention.unflatten(-1, x.shape[-2:])  # (B, Q, H, W)


def _positions(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 1, N, C): positions as a sequence, one head."""
    return x.flatten(2).transpose(1, 2).unsqueeze(1)
