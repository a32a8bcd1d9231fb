"""Networks with a vector or a sequence as output: vision transformer, squeeze-and-excitation, group normalization, recurrent."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.convnext import CNBlockConfig

from nets.blocks import ConvNormAct


class Attention(nn.Module):
    """Multi-head self-attention written out: one projection to q, k and v, scaled product, softmax, projection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×T×C to N×T×C."""
        n, tokens, width = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        weights = (q * self.scale @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(n, tokens, width))


class EncoderBlock(nn.Module):
    """Attention and a two-layer perceptron, each behind a layer normalization and with a residual sum."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Map N×T×C to N×T×C."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Patches of 16×16, a class token, learned positions, `depth` blocks, a linear classifier."""

    def __init__(self, image: int = 224, width: int = 192, depth: int = 4, heads: int = 3, classes: int = 1000) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, width, 16, 16)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, (image // 16) ** 2 + 1, width))
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×3×image×image to N×classes."""
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


class SqueezeExcite(nn.Module):
    """Channel weights from the global average through two linear layers."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        hidden = max(channels // reduction, 4)
        self.fc = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Map N×C×H×W to N×C×H×W."""
        n, channels = x.shape[:2]
        weights = self.fc(self.avg_pool(x).view(n, channels))
        return x * weights.view(n, channels, 1, 1)


class SqueezeExciteBlock(nn.Module):
    """Residual block of two 3×3 convolutions with squeeze-and-excitation before the sum."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(cin, cout, 3, stride, act=nn.ReLU)
        self.conv2 = ConvNormAct(cout, cout, act=nn.Identity)
        self.se = SqueezeExcite(cout)
        same = stride == 1 and cin == cout
        self.shortcut = nn.Identity() if same else ConvNormAct(cin, cout, 1, stride, act=nn.Identity)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map N×cin×H×W to N×cout×H/stride×W/stride."""
        return self.relu(self.se(self.conv2(self.conv1(x))) + self.shortcut(x))


def se_resnet(classes: int = 1000) -> nn.Module:
    """ResNet-18 with squeeze-and-excitation in every block."""
    widths = ((64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1))
    blocks = [SqueezeExciteBlock(*width) for width in widths]
    stem = (ConvNormAct(3, 64, 7, 2, act=nn.ReLU), nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


def resnet_groupnorm() -> nn.Module:
    """A residual network of four blocks normalized over groups of channels."""
    return models.resnet.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], norm_layer=lambda channels: nn.GroupNorm(16, channels))


def convnext_small() -> nn.Module:
    """ConvNeXt with four short stages: 7×7 depthwise convolutions, layer normalization, GELU."""
    widths = (48, 96, 192, 384)
    settings = [CNBlockConfig(a, b, n) for a, b, n in zip(widths, (*widths[1:], None), (1, 1, 2, 1), strict=True)]
    return models.ConvNeXt(settings)


def swin_small() -> nn.Module:
    """Swin transformer of two stages: windows of 7×7, plain and shifted."""
    return models.SwinTransformer([4, 4], embed_dim=32, depths=[2, 2], num_heads=[2, 4], window_size=[7, 7])


class TextLine(nn.Module):
    """Text-line recognition: convolutions down to one row, a bidirectional LSTM, a GRU, one score vector a column."""

    def __init__(self, classes: int = 37) -> None:
        super().__init__()
        widths = (1, 32, 64, 128)
        self.features = nn.Sequential(
            *(nn.Sequential(ConvNormAct(a, b, act=nn.ReLU), nn.MaxPool2d(2)) for a, b in pairwise(widths)),
            nn.Conv2d(128, 128, (4, 1)),
            nn.ReLU(),
        )
        self.lstm = nn.LSTM(128, 64, bidirectional=True)
        self.gru = nn.GRU(128, 64)
        self.fc = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×1×32×W to log-probabilities W/8×N×classes."""
        y = self.features(x).squeeze(2).permute(2, 0, 1)
        y = self.gru(self.lstm(y)[0])[0]
        return self.fc(y).log_softmax(2)
