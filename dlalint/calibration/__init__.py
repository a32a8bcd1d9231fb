"""INT8 scales of tensors: TensorRT's calibration caches and its lists of layer precisions."""
