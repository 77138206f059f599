"""The floor of predict.py: the multiply-adds that a text's pieces need, over the fastest bf16 product of the machine.

    python benchmarks/predict_floor.py BUNDLE FOLDER OUT.json [--device cpu]

Counted are the products of the dense layers for each piece and, in attention, of each piece with every other of its
window, special pieces included, padding and the overlap of windows not; no softmax, norm, GELU or embedding. The rate
is the best of the model's own shapes, 2,048 pieces at once, and of square products.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from predicting import read_documents

NAMES = {
    "width": ("dim", "hidden_size"),
    "inner": ("hidden_dim", "intermediate_size"),
    "layers": ("n_layers", "num_hidden_layers"),
}


def sizes_of(bundle: Path) -> dict[str, int]:
    config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    found = {size: next(config[key] for key in keys if key in config) for size, keys in NAMES.items()}
    return found | {"labels": len(config["id2label"])}


def multiply_adds(windows: list[int], *, width: int, inner: int, layers: int, labels: int) -> int:
    """Multiply-adds for windows of so many pieces each."""
    dense = layers * (4 * width * width + 2 * width * inner) + width * labels
    attention = layers * 2 * width
    return sum(pieces * dense + pieces * pieces * attention for pieces in windows)


def windows_of(bundle: Path, documents: list[list[str]], limit: int) -> list[int]:
    """Pieces of each window, special ones included, without overlap."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    special = tokenizer.num_special_tokens_to_add(False)
    room = limit - special
    windows = []
    for words in documents:
        left = len(tokenizer.encode(" ".join(words), add_special_tokens=False).ids)
        while left > 0:
            windows.append(min(left, room) + special)
            left -= room
    return windows


def bf16_rate(shapes: list[tuple[int, int, int]], device: str) -> float:
    """Multiply-adds a second of the fastest of some products, each given half a second."""
    import torch

    best = 0.0
    for rows, inner, columns in shapes:
        a = torch.randn(rows, inner, device=device).bfloat16()
        b = torch.randn(columns, inner, device=device).bfloat16().t()
        out = torch.empty(rows, columns, dtype=torch.bfloat16, device=device)

        def product(a=a, b=b, out=out) -> float:
            begin = time.perf_counter()
            for _ in range(20):
                torch.mm(a, b, out=out)
            if device != "cpu":
                torch.cuda.synchronize()
            return (time.perf_counter() - begin) / 20

        product()
        seconds, begin = [product()], time.perf_counter()
        while time.perf_counter() - begin < 0.5:
            seconds.append(product())
        best = max(best, rows * inner * columns / min(seconds))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    sizes = sizes_of(args.bundle)
    limit = json.loads((args.bundle / "tagwright.json").read_text(encoding="utf-8"))["max_pieces"]
    width, inner = sizes["width"], sizes["inner"]
    shapes = [(2048, width, width), (2048, width, inner), (2048, inner, width)]
    shapes += [(side, side, side) for side in (1024, 2048)]
    rate = bf16_rate(shapes, args.device)
    made: dict[str, object] = {"gflops": 2 * rate / 1e9}
    for name in ("sentences", "documents"):
        documents = read_documents(args.folder / f"{name}.jsonl")
        windows = windows_of(args.bundle, documents, limit)
        adds = multiply_adds(windows, **sizes)
        words = sum(map(len, documents))
        made[name] = {
            "words": words,
            "pieces": sum(windows),
            "multiply_adds": adds,
            "words_per_second": words * rate / adds,
        }
    args.out.write_text(json.dumps(made), encoding="utf-8")


if __name__ == "__main__":
    main()
