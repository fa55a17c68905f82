"""Evaluation: protocols and metrics, result records, tables and figures made from records."""
