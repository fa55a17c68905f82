"""How a decoder's state becomes a grid of pixels."""
