"""A model as ONNX graphs, for programs without PyTorch."""
