"""The result of training: arrays, and the network that they belong to."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from skgnnrec._device import ForkSafeLock, resolve_dtype, torch_settings
from skgnnrec.text._model import TextModel
from skgnnrec.text._packing import prepare_for_cpu
from skgnnrec.text._probing import tolerates

__all__ = ["LearnedWeights", "add_lora"]

# The ratio of lora_alpha to the rank, as it is commonly set: LoRA's matrices are multiplied by it.
_LORA_SCALE = 2


@dataclass(frozen=True, eq=False)
class LearnedWeights:
    """The weights of a network that training has changed, as arrays: they can be pickled, copied and hashed."""

    arrays: dict[str, np.ndarray]  # float32, by the name of the weights
    lora_rank: int | None  # the rank of LoRA's matrices, None where the weights of the network itself were trained

    def put_into(self, base: TextModel, dtype: str, *, packed: bool = False) -> TextModel:
        """Return a model with the learned weights, built once as long as these weights live; `base` does not change.

        `base` is the model that training started from, in float32. With `packed`, weights are laid out for fast
        inference and cannot be trained.
        """
        with _building, torch_settings():
            of_these = _built.setdefault(self, {})
            if of_these.get((dtype, packed), (None,))[0] is not base:
                of_these[dtype, packed] = base, self._build(base, dtype, packed)
            return of_these[dtype, packed][1]

    def _build(self, base: TextModel, dtype: str, packed: bool) -> TextModel:
        if self.lora_rank is None:
            network = copy.deepcopy(base.network)
            network.load_state_dict({name: torch.tensor(a) for name, a in self.arrays.items()}, strict=False)
        else:
            # Peft has frozen the weights that it merges into; another fine-tuner may start from them.
            network = self.with_lora(base).merge_and_unload().requires_grad_(True)
        resolved = resolve_dtype(dtype, base.device)
        probed = (base.tokenizer, resolved, base.pooling, base.position_limit)
        if dtype == "auto" and resolved is not torch.float32 and not tolerates(network.eval(), *probed):
            resolved = torch.float32
        network = network.to(base.device, resolved).eval()
        if packed and base.device.type == "cpu":
            prepare_for_cpu(network, base.position_limit)
        return replace(base, network=network, computing=ForkSafeLock())

    def with_lora(self, base: TextModel) -> Any:
        """Return the network of a model with LoRA's matrices beside its layers, as peft has it."""
        from peft import set_peft_model_state_dict

        assert self.lora_rank is not None
        network = add_lora(copy.deepcopy(base.network), self.lora_rank, 0)
        set_peft_model_state_dict(network, {name: torch.tensor(a) for name, a in self.arrays.items()})
        return network


_building = ForkSafeLock()
_built: WeakKeyDictionary[LearnedWeights, dict[tuple[str, bool], tuple[TextModel, TextModel]]] = WeakKeyDictionary()


def add_lora(network: Any, rank: int, seed: int) -> Any:
    """Return a network with two matrices of a rank beside each linear layer, which are trained in its place."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ImportError('lora_rank needs the package peft: pip install "skgnnrec[lora]".') from error
    config = LoraConfig(
        r=rank, lora_alpha=_LORA_SCALE * rank, target_modules="all-linear", exclude_modules=r".*pooler.*"
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(seed)
        warnings.simplefilter("ignore", FutureWarning)  # of a name in transformers that peft still asks for
        return get_peft_model(network, config)
