"""What the machine offers: where to compute, with how many threads and in which floating-point type.

The environment decides where it says so (TRANSFER_DEVICE, TRANSFER_THREADS): neither makes a result stale.
"""

import os
from functools import cache
from typing import TYPE_CHECKING

from tasks.errors import ConfigError

if TYPE_CHECKING:
    import torch

DEVICE = "TRANSFER_DEVICE"
THREADS = "TRANSFER_THREADS"


@cache
def device() -> "torch.device":
    """Return the device to compute on: TRANSFER_DEVICE, or CUDA, or Apple's where it works, or the CPU."""
    import torch

    chosen = os.environ.get(DEVICE)
    if chosen and not _works(chosen):
        raise ConfigError(f"{DEVICE}={chosen}: cannot compute there; try cpu, cuda:0 or mps, or unset it")
    if chosen:
        return torch.device(chosen)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps") if _works("mps") else torch.device("cpu")


def _works(name: str) -> bool:
    """Tell by a small sum: in a virtual machine Apple's device is announced and then fails."""
    import torch

    try:
        return float(torch.ones(2, device=name).sum()) == 2.0
    except (RuntimeError, AssertionError, NotImplementedError):
        return False


def threads() -> int:
    """Cap torch's threads at TRANSFER_THREADS or the cores this process may use; return how many it uses."""
    import torch

    torch.set_num_threads(allowed_threads())
    return torch.get_num_threads()


def allowed_threads() -> int:
    """Return TRANSFER_THREADS or, where it is not set, the cores this process may use."""
    chosen = os.environ.get(THREADS) or str(cores())
    if not chosen.isdigit() or int(chosen) < 1:
        raise ConfigError(f"{THREADS}={chosen}: expected a whole number above 0")
    return int(chosen)


def cores() -> int:
    """Return how many cores this process may use, which in a container can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def precision(name: str) -> "torch.dtype":
    """Return float32 or bfloat16; "auto" is bfloat16 where the device computes in it natively."""
    import torch

    if name == "auto":
        return torch.bfloat16 if native_bfloat16(device()) else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def native_bfloat16(where: "torch.device") -> bool:
    """Tell whether `where` multiplies bfloat16 in hardware; emulated, it is slower than float32."""
    import torch

    if where.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    features = torch.cpu.get_capabilities() if where.type == "cpu" else {}
    return any(features.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
