"""FP16 on the DLA: which tensors and weights leave its range, come near its end or get lost below it."""
