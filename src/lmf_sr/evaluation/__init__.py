"""Evaluation: protocols and metrics, the quality of a model on a set of images, and its costs."""
