"""The loss landscape of two models: bands, probes, claims, figures and their part of the report.

A change here draws again, and trains nothing.
"""
