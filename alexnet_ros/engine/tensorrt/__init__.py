"""TensorRT and TensorRT for RTX: build, cache, run."""
