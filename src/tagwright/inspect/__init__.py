"""A look at data before training on them."""
