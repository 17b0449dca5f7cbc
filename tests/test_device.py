"""Device, floating-point type and threads."""

import joblib
import pytest
import torch

from skgnnrec._device import limit_torch_threads, resolve_device, resolve_dtype

CPU = torch.device("cpu")


def test_auto_takes_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")


def test_named_device():
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize("device", ["gpu", "", "meta", "cuda:99", "cpu:x"])
def test_device_that_is_not_there(device):
    with pytest.raises(ValueError, match=rf"device must be 'auto' or a torch device .* got {device!r}: \w"):
        resolve_device(device)


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_named_dtype(name):
    assert resolve_dtype(name, CPU) == getattr(torch, name)


def test_unknown_dtype():
    with pytest.raises(ValueError, match=r"dtype must be 'auto' or one of .* got 'float64'"):
        resolve_dtype("float64", CPU)


@pytest.mark.parametrize(
    ("avx512", "amx", "expected"),
    [
        (False, False, torch.float32),
        (True, False, torch.bfloat16),
        (False, True, torch.bfloat16),
    ],
)
def test_auto_dtype_follows_the_processor(monkeypatch, avx512, amx, expected):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert resolve_dtype("auto", CPU) == expected


def test_auto_dtype_where_torch_gives_no_answer(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert resolve_dtype("auto", CPU) == torch.float32
    assert resolve_dtype("auto", torch.device("mps")) == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_device_and_dtype():
    device = resolve_device("auto")
    assert device.type == "cuda"
    assert resolve_dtype("auto", device) in (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("n_cores", [1, 10_000])
def test_threads_are_lowered_to_the_cores_and_never_raised(monkeypatch, n_cores):
    before = torch.get_num_threads()
    monkeypatch.setattr(joblib, "cpu_count", lambda: n_cores)
    with limit_torch_threads() as n_threads:
        assert torch.get_num_threads() == n_threads == min(before, n_cores)
    assert torch.get_num_threads() == before


def test_threads_are_restored_after_an_error(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    with pytest.raises(KeyboardInterrupt, match="stop"), limit_torch_threads():
        raise KeyboardInterrupt("stop")
    assert torch.get_num_threads() == before


def test_loky_workers_share_the_cores():
    n_threads = joblib.Parallel(n_jobs=2)(joblib.delayed(torch.get_num_threads)() for _ in range(2))
    assert sum(n_threads) <= max(2, joblib.cpu_count())
