"""Finished runs -> tables, figures and the report. No torch.

A change here makes these again, and trains nothing.
"""
