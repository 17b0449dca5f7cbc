"""Networks made faster for inference on a CPU."""

from __future__ import annotations

import platform
from contextlib import suppress
from typing import Any

import torch

__all__ = ["PackedLinear", "can_pack", "pack_linears", "prepare_for_cpu"]

# How far vectors may move when layers are packed, relative to the largest entry.
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1}
# The number of rows for which weights are packed; the time for other numbers is the same.
_PACKED_ROWS = 256
# Up to this number of tokens the attention matrix of a text is small beside its other activations.
_EAGER_LENGTH = 512


class PackedLinear(torch.nn.Module):
    """A linear layer for inference on a CPU, its weights laid out for oneDNN.

    Torch's own product in float32 is that of MKL, which reaches less than half of the speed on an AMD EPYC.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _PACKED_ROWS)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x · weightᵀ + bias."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")


def prepare_for_cpu(network: Any, position_limit: int | None) -> None:
    """Make a network of transformers faster on the CPU; afterwards it cannot be trained."""
    # In bfloat16, torch's fused attention is slower on short texts; on long ones it saves memory.
    if network.dtype is torch.bfloat16 and position_limit is not None and position_limit <= _EAGER_LENGTH:
        # A network that does not offer the choice keeps its attention.
        with suppress(ValueError, AttributeError, NotImplementedError):
            network.set_attn_implementation("eager")
    pack_linears(network)


def pack_linears(network: Any) -> bool:
    """Replace linear layers by packed ones, if that works and changes vectors by rounding only; return whether it did.

    The operators are not documented by torch: where they are absent, fail or give other results, the network stays as
    it was.
    """
    linears = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if type(child) is torch.nn.Linear
    ]
    if not linears or not can_pack(linears[0][2].weight):
        return False
    n_tokens = network.get_input_embeddings().num_embeddings
    tokens = (torch.arange(12) % n_tokens).reshape(2, 6)
    with torch.inference_mode():
        before = network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state.float()
        try:
            for parent, name, linear in linears:
                setattr(parent, name, PackedLinear(linear))
            after = network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state.float()
            tolerance = _TOLERANCE[linears[0][2].weight.dtype] * float(before.abs().max())
            if torch.allclose(before, after, rtol=0, atol=tolerance):
                return True
        except (RuntimeError, AttributeError, TypeError, NotImplementedError):
            pass
    for parent, name, linear in linears:
        setattr(parent, name, linear)
    return False


def can_pack(weight: torch.Tensor) -> bool:
    supported = weight.dtype is torch.float32 or (
        weight.dtype is torch.bfloat16 and getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
    )
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    return supported and is_x86 and weight.device.type == "cpu" and torch.backends.mkldnn.is_available()
