"""Reading and writing model files without ever loading the weights."""
