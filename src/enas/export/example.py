"""What lies beside an exported model for people: how it is used, in a text and in ten lines of Python."""

from enas.export.description import Description

_TABLE = '''"""Predict with onnxruntime and numpy alone."""

import json
from pathlib import Path

import numpy as np
import onnxruntime

here = Path(__file__).parent
about = json.loads((here / "model.json").read_text(encoding="utf-8"))
session = onnxruntime.InferenceSession(here / "model.onnx")
rows = np.zeros((3, len(about["feature_names"])), np.float32)  # yours: in the order of feature_names, NaN = missing
OUTPUT
'''

_IMAGES = '''"""Predict with onnxruntime and numpy alone."""

import json
from pathlib import Path

import numpy as np
import onnxruntime

here = Path(__file__).parent
about = json.loads((here / "model.json").read_text(encoding="utf-8"))
session = onnxruntime.InferenceSession(here / "model.onnx")
images = np.zeros((3, SHAPE), np.uint8)  # yours: rows of pixels, 0 to 255
OUTPUT
'''

_FILES = {
    "onnx": "model.onnx      the whole model, preprocessing inside; example.py shows how it is run",
    "torch": "model.pt2       the whole model, preprocessing inside, as torch.export saves it",
    "script": "model.py        the network written out; python model.py DATA predicts\nmodel.safetensors  its weights",
}

_TORCH = """
    import torch
    model = torch.export.load("model.pt2").module()
    outputs = model(samples)

The format is torch's own: load such a file only from people whom you trust.
"""


def example_source(description: Description) -> str:
    """The text of ``example.py``, for onnxruntime."""
    name = "images" if description.images else "rows"
    if description.classes:
        output = f'''logits, probabilities = session.run(None, {{"{description.input_name}": {name}}})
print([about["classes"][best] for best in probabilities.argmax(axis=1)])'''
    else:
        output = f'''(values,) = session.run(None, {{"{description.input_name}": {name}}})
print(values)'''
    shape = ", ".join(map(str, description.shape))
    template = _IMAGES if description.images else _TABLE
    return template.replace("SHAPE", shape).replace("OUTPUT", output)


def readme(description: Description, version: str, has_int8: bool) -> str:
    """The text of ``README.txt``."""
    outputs = "logits and probabilities" if description.classes else "values"
    int8 = "model.int8.onnx the same with weights of 8 bits, smaller and a little less exact\n" if has_int8 else ""
    return f"""A model that enas {version} trained and exported.

{_FILES[description.exported]}
{int8}model.json      what goes in and out, names of features and classes

Input:  {description.input}
Output: {outputs}, (batch, {description.n_outputs})
{_TORCH if description.exported == "torch" else ""}
With enas installed: enas predict --model THIS_FOLDER DATA -o predictions.csv
"""
