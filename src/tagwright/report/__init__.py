"""Renders what it is given; no arithmetic."""
