"""Encoders: from an LR image to features. `base.py` is their contract."""
