"""Models to take away: ONNX, a program of torch.export, or Python that runs without enas.

One chain serves all three: a trained model is reduced to a sketch (shapes and steps, no data) and named tensors; the
sketch is written out as Python source; what that source computes is the standalone script, is what torch.export
records, and is what torch.onnx turns into a graph. Each is compared with the model before it counts as written.
"""
