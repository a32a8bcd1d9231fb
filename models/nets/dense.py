"""Networks with a map as output: U-Net, feature pyramid, fully convolutional segmentation, single-shot detection, super-resolution."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from nets.blocks import ConvNormAct

WIDTHS = (32, 64, 128, 256, 512)


class UNet(nn.Module):
    """Four levels down and up; `kernel` 2 upsamples without padding, 4 with padding 1, both with stride 2."""

    def __init__(self, kernel: int, classes: int = 2) -> None:
        super().__init__()
        pairs = list(pairwise(WIDTHS))
        self.inc = self._double(3, WIDTHS[0])
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(self._double(a, b) for a, b in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, kernel, 2, (kernel - 2) // 2) for a, b in reversed(pairs))
        self.merge = nn.ModuleList(self._double(2 * a, a) for a, _ in reversed(pairs))
        self.outc = nn.Conv2d(WIDTHS[0], classes, 1)

    @staticmethod
    def _double(cin: int, cout: int) -> nn.Module:
        return nn.Sequential(ConvNormAct(cin, cout, act=nn.ReLU), ConvNormAct(cout, cout, act=nn.ReLU))

    def forward(self, x: Tensor) -> Tensor:
        """Map N×3×H×W to N×classes×H×W; H and W multiples of 16."""
        skips = [self.inc(x)]
        for down in self.down:
            skips.append(down(self.pool(skips[-1])))
        x = skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat((skips.pop(), up(x)), 1))
        return self.outc(x)


class FeaturePyramid(nn.Module):
    """ResNet-18 with lateral 1×1 convolutions, nearest upsampling by 2, a sum and a 3×3 convolution on each level."""

    def __init__(self, channels: int = 128) -> None:
        super().__init__()
        self.body = models.resnet18(weights=None)
        del self.body.fc
        self.lateral = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in (64, 128, 256, 512))
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(4))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map N×3×H×W to five maps of strides 4 to 64; H and W multiples of 32."""
        body = self.body
        x = body.maxpool(body.relu(body.bn1(body.conv1(x))))
        maps = []
        for stage in (body.layer1, body.layer2, body.layer3, body.layer4):
            x = stage(x)
            maps.append(x)
        top = self.lateral[3](maps[3])
        merged = [top]
        for level in (2, 1, 0):
            top = self.lateral[level](maps[level]) + functional.interpolate(top, scale_factor=2.0, mode="nearest")
            merged.insert(0, top)
        outs = [smooth(m) for smooth, m in zip(self.smooth, merged, strict=True)]
        return (*outs, functional.max_pool2d(outs[-1], 1, 2))


class DynamicFcn(nn.Module):
    """Fully convolutional segmentation; upsamples to whatever size the input and the skip have."""

    def __init__(self, classes: int = 19) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 128)
        self.stages = nn.ModuleList(ConvNormAct(a, b, 3, 2, act=nn.ReLU) for a, b in pairwise(widths))
        self.deep = nn.Conv2d(128, classes, 1)
        self.skip = nn.Conv2d(32, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×3×H×W to N×classes×H×W for any H and W."""
        size = x.shape[-2:]
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        skip = self.skip(maps[1])
        y = functional.interpolate(self.deep(x), size=skip.shape[-2:], mode="bilinear", align_corners=False) + skip
        return functional.interpolate(y, size=size, mode="bilinear", align_corners=False)


class SingleShot(nn.Module):
    """SSD on MobileNetV2: box and class convolutions on six maps, flattened in N×H×W×C order, softmax over the classes."""

    def __init__(self, classes: int = 21) -> None:
        super().__init__()
        body = models.mobilenet_v2(weights=None).features
        self.body = nn.ModuleList((body[:14], body[14:]))
        self.extra = nn.ModuleList(
            nn.Sequential(ConvNormAct(a, b // 2, 1, act=nn.ReLU6), ConvNormAct(b // 2, b, 3, 2, act=nn.ReLU6))
            for a, b in ((1280, 512), (512, 256), (256, 256), (256, 128))
        )
        sources = ((96, 4), (1280, 6), (512, 6), (256, 6), (256, 6), (128, 6))  # channels, boxes a cell
        self.loc = nn.ModuleList(nn.Conv2d(c, boxes * 4, 3, padding=1) for c, boxes in sources)
        self.conf = nn.ModuleList(nn.Conv2d(c, boxes * classes, 3, padding=1) for c, boxes in sources)
        self.classes = classes

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map N×3×300×300 to box offsets N×boxes×4 and class scores N×boxes×classes."""
        maps = []
        for stage in (*self.body, *self.extra):
            x = stage(x)
            maps.append(x)
        loc = [self._rows(head(m), 4) for head, m in zip(self.loc, maps, strict=True)]
        conf = [self._rows(head(m), self.classes) for head, m in zip(self.conf, maps, strict=True)]
        return torch.cat(loc, 1), torch.cat(conf, 1).softmax(2)

    @staticmethod
    def _rows(x: Tensor, columns: int) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, columns)


class SubPixel(nn.Sequential):
    """Super-resolution of one luminance channel by a pixel shuffle (ESPCN)."""

    def __init__(self, scale: int = 3) -> None:
        super().__init__(
            nn.Conv2d(1, 64, 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(64, 32, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(32, scale * scale, 3, padding=1),
            nn.PixelShuffle(scale),
        )


class OnlyMap(nn.Module):
    """A torchvision segmentation network with its dictionary of results reduced to the map."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Map N×3×H×W to N×classes×H×W."""
        return self.net(x)["out"]
