"""Counts, ratios and intervals over gold and predicted spans."""
