"""Where and how models run: devices, ONNX Runtime, graphs; and the store their files come from."""
