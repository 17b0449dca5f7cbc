"""Device, floating-point type and threads."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import joblib
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from skgnnrec._device import map_in_threads, n_threads, resolve_device, resolve_dtype, torch_settings

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


# Settings of torch ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_cores", [1, 10_000])
def test_torch_uses_at_most_the_cores_of_the_process(monkeypatch, n_cores):
    before = torch.get_num_threads()
    monkeypatch.setattr(joblib, "cpu_count", lambda: n_cores)
    with torch_settings() as n_threads:
        assert torch.get_num_threads() == n_threads == min(before, n_cores)
    assert torch.get_num_threads() == before


def settings_of_torch():
    return (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
    )


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize(
    "settings",
    [
        nullcontext,
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.set_grad_enabled(False),
        lambda: torch.autocast("cpu", torch.bfloat16),
        lambda: torch.device("meta"),
        lambda: default_dtype(torch.float64),
        lambda: default_dtype(torch.float16),
    ],
)
def test_a_computation_has_the_same_settings_everywhere(settings):
    with settings():
        before = settings_of_torch()
        with torch_settings() as n_threads:
            assert settings_of_torch() == (n_threads, torch.float32, CPU, True, False, False)
            weight = torch.ones(2, 2, requires_grad=True)
            (weight @ torch.ones(2)).sum().backward()
            assert weight.grad.dtype == torch.float32
        assert settings_of_torch() == before
        with pytest.raises(KeyboardInterrupt, match="stop"), torch_settings():
            raise KeyboardInterrupt("stop")
        assert settings_of_torch() == before


def test_threads_restore_the_default_type_together():
    inside, outside = threading.Event(), threading.Event()

    def compute():
        with torch_settings():
            inside.set()
            assert outside.wait(10)
            return torch.get_default_dtype()

    with default_dtype(torch.float64), ThreadPoolExecutor(1) as pool:
        with torch_settings():
            other = pool.submit(compute)
            assert inside.wait(10)
        assert torch.get_default_dtype() == torch.float32  # the other computation still needs it
        outside.set()
        assert other.result() == torch.float32
        assert torch.get_default_dtype() == torch.float64


# Threads of BLAS ------------------------------------------------------------------------------------------------------


def blas_threads():
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


@pytest.fixture
def two_threads():
    """Let BLAS have two threads."""
    with threadpool_limits(2):
        yield


@pytest.mark.usefixtures("two_threads")
def test_tasks_have_one_blas_thread_each_and_the_results_are_in_order():
    before = blas_threads()
    assert map_in_threads(lambda task: (task, max(blas_threads())), range(5)) == [(task, 1) for task in range(5)]
    assert blas_threads() == before == [2] * len(before)


@pytest.mark.usefixtures("two_threads")
def test_other_threads_limit_blas_too():
    before = blas_threads()
    for _ in range(2):
        assert map_in_threads(lambda task: max(blas_threads()), [0]) == [1]
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(map_in_threads, lambda task: max(blas_threads()), [0]).result() == [1]
    assert blas_threads() == before


@pytest.mark.usefixtures("two_threads")
def test_concurrent_callers_leave_the_threads_of_blas_as_they_were(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    before, interval = blas_threads(), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda k: map_in_threads(lambda task: task + k, range(4)), range(300)))
    finally:
        sys.setswitchinterval(interval)
    assert found == [[k, k + 1, k + 2, k + 3] for k in range(300)]
    assert blas_threads() == before


@pytest.mark.usefixtures("two_threads")
def test_a_failing_task_leaves_the_threads_of_blas_as_they_were():
    before = blas_threads()
    for tasks in ([1], [1, 2]):
        with pytest.raises(ZeroDivisionError, match="division by zero"):
            map_in_threads(lambda task: task / 0, tasks)
    assert blas_threads() == before


def test_the_number_of_threads_follows_the_limits(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    for limit in (1, 2, 4):
        with threadpool_limits(limit):
            assert n_threads() == limit
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    with threadpool_limits(4):
        assert n_threads() == 1


def test_tasks_inside_of_tasks_have_one_thread(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 4)
    with threadpool_limits(4):
        assert set(map_in_threads(lambda task: n_threads(), range(4))) == {1}


# Processes ------------------------------------------------------------------------------------------------------------


def test_loky_workers_share_the_cores():
    counts = joblib.Parallel(n_jobs=2)(joblib.delayed(torch.get_num_threads)() for _ in range(2))
    assert sum(counts) <= max(2, joblib.cpu_count())


FORK = """
import os, sys, threading, warnings
import numpy as np, torch
from threadpoolctl import threadpool_info
from skgnnrec._device import ForkSafeLock, map_in_threads, torch_settings

def state():
    blas = [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]
    return torch.get_num_threads(), torch.get_default_dtype(), blas

def compute():
    return torch.ones(600, 600) @ torch.ones(600, 600)

torch.set_num_threads(2)
compute()
lock, own, before = ForkSafeLock(), ForkSafeLock(), state()
held, release = threading.Event(), threading.Event()

def hold():  # a thread that does not exist in the child holds all that can be held
    with lock, torch_settings():
        map_in_threads(lambda task: held.set() or release.wait(30), [1, 2])

torch.set_default_dtype(torch.float64)
thread = threading.Thread(target=hold)
thread.start()
held.wait(10)
with own:
    child = os.fork()
    if not child:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with lock, own, torch_settings() as n_threads:
                assert n_threads == torch.get_num_threads() == 1, n_threads
                assert compute().dtype == torch.float32
            for _ in range(2):
                with torch_settings():
                    pass
            assert map_in_threads(lambda task: task, [1, 2, 3]) == [1, 2, 3]
        assert state() == (before[0], torch.float64, before[2]), (state(), before)
        assert [str(warning.message)[:16] for warning in caught] == ["This process was"], caught
        os._exit(0)
release.set()
thread.join()
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork processes")
def test_a_forked_process_computes_with_one_thread_and_free_locks():
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], env=environment, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
