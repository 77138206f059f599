"""Which precision a device computes fast."""

from __future__ import annotations

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


def resolve_precision(precision: str, device: str | torch.device = "cpu") -> str:
    """Return `"fp32"` or `"bf16"`; `"auto"` is bf16 where the device computes it fast."""
    if precision == "auto":
        return "bf16" if fast_bf16(device) else "fp32"
    return precision
