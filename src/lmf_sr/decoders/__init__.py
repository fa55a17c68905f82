"""Decoders: the base methods, which evaluate a large MLP four times for every output pixel. `base.py` is their contract."""
