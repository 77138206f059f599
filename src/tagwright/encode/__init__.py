"""Text to words with offsets, words to pieces, long text to windows, windows to batches."""
