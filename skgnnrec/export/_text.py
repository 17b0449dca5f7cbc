"""Text embedders as graphs of ONNX: tokens in, vectors out."""

from __future__ import annotations

import copy
import logging
import warnings
from typing import Any

from skgnnrec.export._graph import OPSET

__all__ = ["model_of_embedder"]


def model_of_embedder(embedder: Any) -> Any:
    """Return the model of a text embedder or a fine-tuner."""
    try:
        import onnxscript  # noqa: F401  torch writes graphs with it
        import torch
    except ImportError as error:
        raise ImportError(
            'to_onnx of a text embedder needs torch and onnxscript: pip install "skgnnrec[export]".'
        ) from error
    module = copy.deepcopy(embedder._as_module()).cpu().eval()
    # Two tensors: one that is passed twice would be one input.
    inputs = {name: torch.ones((2, 8), dtype=torch.int64) for name in ("input_ids", "attention_mask")}
    sizes = {0: "n_texts", 1: "n_tokens"}
    level = logging.getLogger("torch.onnx").level
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the libraries about each other
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                module,
                (),
                kwargs=inputs,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=["vectors"],
                dynamic_shapes=dict.fromkeys(inputs, sizes),
                verbose=False,
            )
        finally:
            logging.getLogger("torch.onnx").setLevel(level)
    assert program is not None  # as it is without a file to write to
    return program.model_proto
