"""Anything labelled in, a `datasets.DatasetDict` out."""
