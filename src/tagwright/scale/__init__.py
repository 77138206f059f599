"""Corpora that outgrow one process: tagged on Ray, a fragment at a time, once and only once."""
