"""Building blocks that several networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch normalization and an activation; keeps H×W at stride 1 with an odd kernel."""

    def __init__(self, cin: int, cout: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: type[nn.Module] = nn.SiLU) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout)
        self.act = act()


class Bottleneck(nn.Module):
    """Two convolutions, the first one narrowing or not, with a residual sum where asked."""

    def __init__(self, channels: int, kernels: tuple[int, int], shortcut: bool) -> None:
        super().__init__()
        self.cv1 = ConvNormAct(channels, channels, kernels[0])
        self.cv2 = ConvNormAct(channels, channels, kernels[1])
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map N×C×H×W to N×C×H×W."""
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class CrossStage(nn.Module):
    """The cross-stage partial block with three 1×1 convolutions: half of the channels passes the bottlenecks."""

    def __init__(self, cin: int, cout: int, depth: int, shortcut: bool = True) -> None:
        super().__init__()
        half = cout // 2
        self.cv1 = ConvNormAct(cin, half, 1)
        self.cv2 = ConvNormAct(cin, half, 1)
        self.cv3 = ConvNormAct(cout, cout, 1)
        self.m = nn.Sequential(*(Bottleneck(half, (1, 3), shortcut) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """Map N×cin×H×W to N×cout×H×W."""
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SplitStage(nn.Module):
    """The cross-stage block that splits after one 1×1 convolution and concatenates every intermediate result."""

    def __init__(self, cin: int, cout: int, depth: int, shortcut: bool = True) -> None:
        super().__init__()
        half = cout // 2
        self.half = half
        self.cv1 = ConvNormAct(cin, cout, 1)
        self.cv2 = ConvNormAct((2 + depth) * half, cout, 1)
        self.m = nn.ModuleList(Bottleneck(half, (3, 3), shortcut) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """Map N×cin×H×W to N×cout×H×W."""
        parts = list(self.cv1(x).split((self.half, self.half), 1))
        for block in self.m:
            parts.append(block(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class ParallelPools(nn.Module):
    """Spatial pyramid pooling: max pools of 5, 9 and 13 side by side, stride 1."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.cv1 = ConvNormAct(cin, cin // 2, 1)
        self.cv2 = ConvNormAct(cin * 2, cout, 1)
        self.m = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        """Map N×cin×H×W to N×cout×H×W."""
        x = self.cv1(x)
        return self.cv2(torch.cat([x] + [pool(x) for pool in self.m], 1))


class ChainedPools(nn.Module):
    """The same receptive fields as ParallelPools from three 5×5 max pools in a row."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.cv1 = ConvNormAct(cin, cin // 2, 1)
        self.cv2 = ConvNormAct(cin * 2, cout, 1)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×cin×H×W to N×cout×H×W."""
        x = self.cv1(x)
        y1 = self.m(x)
        y2 = self.m(y1)
        return self.cv2(torch.cat((x, y1, y2, self.m(y2)), 1))
