"""INT8 on the DLA: which tensors need a scale, what it costs when one is missing, and what is wrong with those that are there."""
