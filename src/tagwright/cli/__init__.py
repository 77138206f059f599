"""One thin file per command over a plain function of the same name."""
