"""How evenly the windows of a batch fall to several processes, in pieces computed, padding included.

    python benchmarks/deal.py ../shared/data/wnut17

For the train split, the encoder `minilm`, batches of 16 over ten epochs, grouped by length and not: the largest part of
a batch over the mean part, and over the largest part where windows are dealt out in turn.
"""

from __future__ import annotations

import argparse

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 3, 4, 8])
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    import tagwright as tw
    from tagwright.encode.align import PieceTable
    from tagwright.encode.windows import encode_words
    from tagwright.model.network import load_tokenizer_of
    from tagwright.train.deal import computed_pieces, deal
    from tagwright.train.sampler import BatchOrder

    table = PieceTable(load_tokenizer_of("minilm"))
    lengths = encode_words(
        table, tw.load_data(args.data)["train"]["tokens"][:], limit=512, overlap=64
    ).lengths
    print("| processes | " + " | ".join(map(str, args.processes)) + " |")
    print("|---" * (len(args.processes) + 1) + "|")
    for grouped in (True, False):
        above, saved = [], []
        for processes in args.processes:
            largest = mean = in_turn = 0.0
            order = BatchOrder(lengths, args.batch_size, seed=42, grouped=grouped)
            for epoch in range(args.epochs):
                order.set_epoch(epoch)
                for batch in order.whole():
                    parts = [
                        computed_pieces(lengths[batch], hand) for hand in deal(lengths[batch], processes)
                    ]
                    turns = [np.arange(len(batch))[first::processes] for first in range(processes)]
                    largest += max(parts)
                    mean += sum(parts) / processes
                    in_turn += max(computed_pieces(lengths[batch], hand) for hand in turns if len(hand))
            above.append(f"{100 * (largest / mean - 1):.1f}%")
            saved.append(f"{100 * (1 - largest / in_turn):.0f}%")
        name = "grouped by length" if grouped else "not grouped"
        print(f"| {name}: largest part above the mean | " + " | ".join(above) + " |")
        print(f"| {name}: largest part below that of dealing in turn | " + " | ".join(saved) + " |")


if __name__ == "__main__":
    main()
