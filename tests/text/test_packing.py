"""Linear layers laid out for a CPU: the same vectors, and back to torch's own where that fails."""

import shutil

import pytest
import torch

from skgnnrec.text import TextEmbedder, _packing
from skgnnrec.text._model import load_model
from skgnnrec.text._packing import PackedLinear, can_pack, pack_linears

TITLES = ["red coffee mug", "garden hose"]
needs_packing = pytest.mark.skipif(not can_pack(torch.zeros(1)), reason="this processor takes no packed layers")


def load(folder, dtype=torch.float32, **options):
    settings = {"revision": None, "trust_remote_code": False, "device": torch.device("cpu"), "dtype": dtype}
    return load_model(folder, **settings, **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_packed_layers_change_vectors_by_rounding_only(tiny_model, dtype):
    if not can_pack(torch.zeros(1, dtype=dtype)):
        pytest.skip("this processor takes no packed layers")
    tokens = torch.arange(24).reshape(4, 6)
    with torch.inference_mode():
        plain, packed = (load(tiny_model, dtype, packed=packed).network for packed in (False, True))
        expected, vectors = (network(input_ids=tokens).last_hidden_state for network in (plain, packed))
    assert sum(isinstance(module, PackedLinear) for module in packed.modules()) == 13
    assert not any(isinstance(module, PackedLinear) for module in plain.modules())
    tolerance = 1e-5 if dtype is torch.float32 else 0.1
    torch.testing.assert_close(vectors, expected, atol=tolerance, rtol=0)


class Wrong(PackedLinear):
    def forward(self, x):
        return super().forward(x) + 1


class Failing(PackedLinear):
    def forward(self, x):
        raise RuntimeError("no such operator")


@needs_packing
@pytest.mark.parametrize("packed", [Wrong, Failing])
def test_packing_that_does_not_work_is_undone(tiny_model, monkeypatch, packed):
    network = load(tiny_model).network
    before = dict(network.named_modules())
    monkeypatch.setattr(_packing, "PackedLinear", packed)
    assert pack_linears(network) is False
    assert dict(network.named_modules()) == before


def test_layers_on_other_devices_and_of_other_types_are_not_packed():
    assert not can_pack(torch.zeros(1, device="meta"))
    assert not can_pack(torch.zeros(1, dtype=torch.float64))


@needs_packing
def test_an_embedder_packs_and_training_does_not(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    TextEmbedder(folder, dtype="float32").fit(TITLES)
    packed, plain = load(folder, packed=True).network, load(folder).network
    assert any(isinstance(module, PackedLinear) for module in packed.modules())
    assert not any(isinstance(module, PackedLinear) for module in plain.modules())
