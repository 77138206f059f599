"""Which precision a device computes fast."""

from __future__ import annotations

import os
import platform
import sys

import torch

__all__ = ["fast_bf16", "resolve_precision"]


def fast_bf16(device: str | torch.device = "cpu") -> bool:
    """Say whether bf16 products are fast: AMX or AVX512_BF16 on CPUs, sm_80 and later on CUDA."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    # Private names, hence the defaults: a torch without them computes in fp32, which is right, if slower.
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def resolve_precision(precision: str, device: str | torch.device = "cpu", *, engine: str = "torch") -> str:
    """Return `"fp32"` or `"bf16"`; `"auto"` is bf16 where the engine computes it fast on the device."""
    if precision != "auto":
        return precision
    fast = fast_bf16(device)
    if engine == "keras" and torch.device(device).type == "cpu":
        fast = fast and _tensorflow_uses_onednn()
    return "bf16" if fast else "fp32"


def _tensorflow_uses_onednn() -> bool:
    """Say whether TensorFlow multiplies with oneDNN; without it bf16 takes 20 times as long as fp32 on a CPU."""
    here = sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")
    return here and os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1").lower() not in ("0", "false")
