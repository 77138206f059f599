"""The encoder with its head, and the directory it is kept in."""
