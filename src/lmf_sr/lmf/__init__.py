"""LMF conversions: decoders that do the heavy work in `prepare`, at LR, and render with a 16-wide modulated MLP at HR."""
