"""A model as ONNX graphs, for where there is no PyTorch."""
