"""What the machine can do at best: multiplications and copies, measured in the same run."""

import time
from collections.abc import Callable

import torch

from benchmarks.bridge.counts import Sizes

_SIDE = {"cpu": 1024, "cuda": 8192}
_LARGE_COPY_BYTES = 2**28


def make_clock(device: str) -> Callable[[], float]:
    """A clock that has waited for the device.

    Args:
        device: torch device.

    Returns:
        Seconds: processor time of this process on a CPU, which neighbours do not stretch; time by
        the clock on an accelerator, once its queue is empty.
    """
    if torch.device(device).type == "cpu":
        return time.process_time

    def now() -> float:
        torch.accelerator.synchronize()
        return time.perf_counter()

    return now


def both_clocks() -> tuple[float, float]:
    """Time by the clock, and processor time of this process, seconds."""
    return time.perf_counter(), time.process_time()


def seconds_since(start: tuple[float, float]) -> tuple[float, float]:
    """Seconds by both clocks.

    Args:
        start: what `both_clocks` gave.

    Returns:
        Seconds by the clock and of this process.
    """
    by_clock, of_process = both_clocks()
    return by_clock - start[0], of_process - start[1]


def device_name(device: str) -> str:
    """What the device calls itself.

    Args:
        device: torch device.

    Returns:
        The name of the card, or that of the processor's instruction set.
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return torch.backends.cpu.get_cpu_capability()


def _best_seconds(work: Callable[[], object], device: str, block_seconds: float) -> float:
    """Least time of a call: what the machine can do when it is left alone."""
    now = make_clock(device)
    work()
    found: list[float] = []
    while not found or sum(found) < block_seconds:
        start = now()
        work()
        # A clock may be too coarse to see a short call.
        found.append(max(now() - start, 1e-9))
    return min(found)


def measure_flops(
    device: str, dtype: torch.dtype, block_seconds: float, matrices: list[tuple[int, int]] = ()
) -> float:
    """Floating-point operations a second, of one large product or of a model's own matrices.

    Args:
        device: torch device.
        dtype: type of the numbers.
        block_seconds: seconds to spend.
        matrices: rows and columns of the matrices that 256 rows are multiplied by; by default one
            large square product.

    Returns:
        Operations a second; a multiplication and an addition are two.
    """
    side = _SIDE[torch.device(device).type]
    num_rows = 256 if matrices else side
    pairs = [
        (
            torch.randn(num_rows, columns, device=device, dtype=dtype),
            torch.randn(columns, rows, device=device, dtype=dtype),
        )
        for rows, columns in matrices or [(side, side)]
    ]
    operations = sum(2 * num_rows * right.numel() for _, right in pairs)
    return operations / _best_seconds(
        lambda: [left @ right for left, right in pairs], device, block_seconds
    )


def measure_copy(device: str, block_seconds: float, num_bytes: int = _LARGE_COPY_BYTES) -> float:
    """Bytes a second that a copy reads and writes.

    Args:
        device: torch device.
        block_seconds: seconds to spend.
        num_bytes: read by one copy; small ones stay in the processor's cache.

    Returns:
        Bytes a second, read and written ones together.
    """
    source = torch.zeros(num_bytes // 4, device=device)
    target = torch.empty_like(source)
    seconds = _best_seconds(lambda: target.copy_(source), device, block_seconds)
    return 2 * 4 * source.numel() / seconds


def cache_bytes(sizes: Sizes, context: float, num_rows: int, itemsize: int) -> int:
    """Size of the keys and values of a batch, the working set of generation.

    Args:
        sizes: of the model.
        context: tokens of a row.
        num_rows: rows.
        itemsize: bytes of a number.

    Returns:
        Bytes.
    """
    place = 2 * sizes.num_layers * sizes.num_key_heads * sizes.head_dim
    return int(place * context * num_rows * itemsize)
