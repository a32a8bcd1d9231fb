"""What TensorRT really did: its build logs, profiles and layer information, read into plain values."""
