"""What a stream does, step by step: one module per stage, and none knows another."""
