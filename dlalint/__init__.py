"""dlalint: predict what TensorRT puts on the Deep Learning Accelerator of a Jetson or DRIVE board, without one."""

__version__ = "0.1.0"
