"""Backgrounds by FengWu: the model in ONNX Runtime, and its statistics."""
