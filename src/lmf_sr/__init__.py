"""Arbitrary-scale super-resolution with Latent Modulated Functions."""
