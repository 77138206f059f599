"""Token arrays in, logits out: one file per runtime."""
