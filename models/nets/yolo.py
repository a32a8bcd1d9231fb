"""Single-stage detectors with a two-way feature pyramid: anchor boxes (fifth generation) and distribution boxes (eighth)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from nets.blocks import ChainedPools, ConvNormAct, CrossStage, ParallelPools, SplitStage

Layer = Callable[..., nn.Module]

STRIDES = (8, 16, 32)
ANCHORS = (((10, 13), (16, 30), (33, 23)), ((30, 61), (62, 45), (59, 119)), ((116, 90), (156, 198), (373, 326)))  # COCO, in pixels
CLASSES = 80
BINS = 16


def _grid(size: int) -> Tensor:
    """Cell coordinates of a size×size map as 1×1×size×size×2 (x, y)."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.stack((x, y), 2).view(1, 1, size, size, 2).float()


class Focus(nn.Module):
    """Space to depth by four strided slices, then a convolution."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(4 * cin, cout, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×cin×H×W to N×cout×H/2×W/2."""
        rows = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        return self.conv(torch.cat(rows, 1))


class StridedStem(nn.Sequential):
    """The 6×6 convolution of stride 2 that replaced Focus."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 6, 2, 2, bias=False)
        self.bn = nn.BatchNorm2d(cout)
        self.act = nn.SiLU()


class AnchorHead(nn.Module):
    """Three anchors a cell: 1×1 convolutions, sigmoid, and boxes decoded to pixels."""

    def __init__(self, channels: tuple[int, ...], image: int, by_split: bool) -> None:
        super().__init__()
        self.m = nn.ModuleList(nn.Conv2d(c, 3 * (5 + CLASSES), 1) for c in channels)
        self.by_split = by_split
        self.grids = [_grid(image // stride) for stride in STRIDES]
        self.anchors = [torch.tensor(sizes).float().view(1, 3, 1, 1, 2) for sizes in ANCHORS]

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map the three pyramid levels to N×boxes×85."""
        rows = []
        for level, x in enumerate(features):
            y = self.m[level](x)
            n, _, height, width = y.shape
            y = y.view(n, 3, 5 + CLASSES, height, width).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
            if self.by_split:
                xy, wh, rest = y.split((2, 2, 1 + CLASSES), 4)
            else:
                xy, wh, rest = y[..., 0:2], y[..., 2:4], y[..., 4:]
            xy = (xy * 2.0 - 0.5 + self.grids[level]) * STRIDES[level]
            wh = (wh * 2.0) ** 2 * self.anchors[level]
            rows.append(torch.cat((xy, wh, rest), 4).view(n, 3 * height * width, 5 + CLASSES))
        return torch.cat(rows, 1)


class DistributionHead(nn.Module):
    """Box edges as softmax over 16 bins and their mean by a fixed 1×1 convolution; no anchors."""

    def __init__(self, channels: tuple[int, ...], image: int) -> None:
        super().__init__()
        box, cls = max(BINS, channels[0] // 4, 4 * BINS), max(channels[0], CLASSES)
        self.cv2 = nn.ModuleList(nn.Sequential(ConvNormAct(c, box), ConvNormAct(box, box), nn.Conv2d(box, 4 * BINS, 1)) for c in channels)
        self.cv3 = nn.ModuleList(nn.Sequential(ConvNormAct(c, cls), ConvNormAct(cls, cls), nn.Conv2d(cls, CLASSES, 1)) for c in channels)
        self.dfl = nn.Conv2d(BINS, 1, 1, bias=False).requires_grad_(False)
        self.dfl.weight.data = torch.arange(BINS).float().view(1, BINS, 1, 1)
        cells = [_grid(image // stride).view(-1, 2) + 0.5 for stride in STRIDES]
        self.anchors = torch.cat(cells).transpose(0, 1).unsqueeze(0)
        self.strides = torch.cat([torch.full((1, len(c)), float(s)) for c, s in zip(cells, STRIDES, strict=True)], 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map the three pyramid levels to N×84×boxes: centre, size, class scores."""
        n = features[0].shape[0]
        maps = [torch.cat((box(x), cls(x)), 1) for x, box, cls in zip(features, self.cv2, self.cv3, strict=True)]
        box, cls = torch.cat([m.view(n, 4 * BINS + CLASSES, -1) for m in maps], 2).split((4 * BINS, CLASSES), 1)
        edges = self.dfl(box.view(n, 4, BINS, -1).transpose(2, 1).softmax(1)).view(n, 4, -1)
        left_top, right_bottom = edges.chunk(2, 1)
        first = self.anchors - left_top
        last = self.anchors + right_bottom
        boxes = torch.cat(((first + last) / 2, last - first), 1) * self.strides
        return torch.cat((boxes, cls.sigmoid()), 1)


class Yolo(nn.Module):
    """Backbone, top-down and bottom-up pyramid, head; `stage` and `pool` choose the generation."""

    def __init__(self, stem: Layer, stage: Layer, pool: Layer, head: nn.Module, laterals: bool) -> None:
        super().__init__()
        self.stem = stem(3, 16)
        self.down = nn.ModuleList(ConvNormAct(c, 2 * c, 3, 2) for c in (16, 32, 64, 128))
        self.stages = nn.ModuleList(stage(c, c, n) for c, n in ((32, 1), (64, 2), (128, 2), (256, 1)))
        self.pool = pool(256, 256)
        self.lateral5 = ConvNormAct(256, 128, 1) if laterals else nn.Identity()
        self.lateral4 = ConvNormAct(128, 64, 1) if laterals else nn.Identity()
        deep, mid = (128, 64) if laterals else (256, 128)
        self.up = nn.Upsample(scale_factor=2.0, mode="nearest")
        self.top4 = stage(deep + 128, 128, 1, False)
        self.top3 = stage(mid + 64, 64, 1, False)
        self.bottom4_down = ConvNormAct(64, 64, 3, 2)
        self.bottom4 = stage(64 + mid, 128, 1, False)
        self.bottom5_down = ConvNormAct(128, 128, 3, 2)
        self.bottom5 = stage(128 + deep, 256, 1, False)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Map N×3×H×W to the head's output."""
        x = self.stem(x)
        maps = []
        for down, stage in zip(self.down, self.stages, strict=True):
            x = stage(down(x))
            maps.append(x)
        p5 = self.lateral5(self.pool(x))
        p4 = self.lateral4(self.top4(torch.cat((self.up(p5), maps[2]), 1)))
        out3 = self.top3(torch.cat((self.up(p4), maps[1]), 1))
        out4 = self.bottom4(torch.cat((self.bottom4_down(out3), p4), 1))
        out5 = self.bottom5(torch.cat((self.bottom5_down(out4), p5), 1))
        return self.head([out3, out4, out5])


def yolov5_focus(image: int) -> nn.Module:
    """Fifth generation as first published: Focus stem, parallel pools, boxes sliced; for image×image pixels."""
    return Yolo(Focus, CrossStage, ParallelPools, AnchorHead((64, 128, 256), image, by_split=False), laterals=True)


def yolov5(image: int) -> nn.Module:
    """Fifth generation in its later form: 6×6 stem, chained pools, boxes split; for image×image pixels."""
    return Yolo(StridedStem, CrossStage, ChainedPools, AnchorHead((64, 128, 256), image, by_split=True), laterals=True)


def yolov8(image: int) -> nn.Module:
    """Eighth generation: split stages, no anchors, distribution boxes; for image×image pixels."""
    stem = partial(ConvNormAct, stride=2)
    return Yolo(stem, SplitStage, ChainedPools, DistributionHead((64, 128, 256), image), laterals=False)
