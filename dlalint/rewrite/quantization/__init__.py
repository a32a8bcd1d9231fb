"""Q/DQ nodes made into INT8 scales of tensors: removed, their scales carried on, and the result proven."""
