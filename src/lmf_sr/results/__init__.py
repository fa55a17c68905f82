"""Measurements: records of jobs, and the statistics, tables and figures that are made of them."""
