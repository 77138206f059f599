"""Annotations that are not one tag a word, turned into tags."""
