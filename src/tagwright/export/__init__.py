"""A trained bundle for other runtimes, with the proof that it answers the same."""
