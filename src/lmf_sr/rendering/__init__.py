"""Rendering: an encoded picture becomes a grid of pixels."""
