"""The list of made models: what each is, and how it is exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torchvision
from torch import nn
from torchvision import models
from torchvision.models import segmentation

from nets import classify, dense, yolo

IMAGE = (1, 3, 224, 224)
_LIBRARY = f"torchvision {torchvision.__version__.split('+')[0]}"
_MADE = "made by build.py with seeded random weights"
TORCHVISION = (f"{_LIBRARY}, {_MADE}", "BSD-3-Clause")
OWN = (f"network of this project, {_MADE}", "Apache-2.0")
MIXED = (f"network of this project on a backbone of {_LIBRARY}, {_MADE}", "Apache-2.0 AND BSD-3-Clause")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model: its network, input shape, and the exporter's options. `dynamic` names the free axes of each tensor."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...] = IMAGE
    opset: int = 17
    dynamo: bool = False
    dynamic: dict[str, dict[int, str]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("output",)
    source: tuple[str, str] = TORCHVISION  # origin and licence


def _torchvision(name: str, **options: object) -> Callable[[], nn.Module]:
    """A torchvision network without pretrained weights."""
    return lambda: models.get_model(name, weights=None, **options)


def _segmentation(make: Callable[..., nn.Module]) -> Callable[[], nn.Module]:
    return lambda: dense.OnlyMap(make(weights=None, weights_backbone=None, num_classes=21))


BATCH = {"input": {0: "batch"}, "output": {0: "batch"}}
SIZE = {"input": {2: "height", 3: "width"}, "output": {2: "height", 3: "width"}}

RECIPES: dict[str, Recipe] = {
    "convnext_small": Recipe(classify.convnext_small),
    "crnn": Recipe(classify.TextLine, shape=(1, 1, 32, 128), source=OWN),
    "deeplabv3_mobilenet": Recipe(_segmentation(segmentation.deeplabv3_mobilenet_v3_large), shape=(1, 3, 512, 512)),
    "densenet121": Recipe(_torchvision("densenet121"), opset=13),
    "efficientnet_b0": Recipe(_torchvision("efficientnet_b0")),
    "espcn": Recipe(dense.SubPixel, shape=(1, 1, 180, 320), opset=13, source=OWN),
    "fcn_dynamic": Recipe(dense.DynamicFcn, shape=(1, 3, 256, 512), dynamic=SIZE, source=OWN),
    "fpn_resnet18": Recipe(dense.FeaturePyramid, shape=(1, 3, 512, 512), outputs=("p2", "p3", "p4", "p5", "p6"), source=MIXED),
    "inception_v3": Recipe(_torchvision("inception_v3", init_weights=False), shape=(1, 3, 299, 299), opset=11),
    "lraspp_mobilenet": Recipe(_segmentation(segmentation.lraspp_mobilenet_v3_large), shape=(1, 3, 512, 512), opset=11),
    "mobilenet_v2": Recipe(_torchvision("mobilenet_v2"), opset=11),
    "mobilenet_v3_small": Recipe(_torchvision("mobilenet_v3_small")),
    "resnet18": Recipe(_torchvision("resnet18")),
    "resnet18_dynamic": Recipe(_torchvision("resnet18"), dynamic=BATCH),
    "resnet18_dynamo": Recipe(_torchvision("resnet18"), opset=18, dynamo=True),
    "resnet50": Recipe(_torchvision("resnet50"), opset=13),
    "resnet_groupnorm": Recipe(classify.resnet_groupnorm),
    "se_resnet": Recipe(classify.se_resnet, opset=13, source=OWN),
    "shufflenet_v2_x0_5": Recipe(_torchvision("shufflenet_v2_x0_5")),
    "squeezenet1_1": Recipe(_torchvision("squeezenet1_1"), opset=11),
    "ssd_mobilenet_v2": Recipe(dense.SingleShot, shape=(1, 3, 300, 300), opset=11, outputs=("loc", "conf"), source=MIXED),
    "swin_small": Recipe(classify.swin_small, opset=18, dynamo=True),
    "unet_k2s2": Recipe(lambda: dense.UNet(2), shape=(1, 3, 256, 256), source=OWN),
    "unet_k4s2": Recipe(lambda: dense.UNet(4), shape=(1, 3, 256, 256), opset=13, source=OWN),
    "vit": Recipe(classify.VisionTransformer, source=OWN),
    "vit_dynamo": Recipe(classify.VisionTransformer, opset=20, dynamo=True, source=OWN),
    "yolov5": Recipe(lambda: yolo.yolov5(640), shape=(1, 3, 640, 640), source=OWN),
    "yolov5_focus": Recipe(lambda: yolo.yolov5_focus(640), shape=(1, 3, 640, 640), opset=11, source=OWN),
    "yolov8": Recipe(lambda: yolo.yolov8(640), shape=(1, 3, 640, 640), source=OWN),
}
