"""The mathematics of a run: the loop, its batches, schedules, measures and probes.

A change here reruns everything.
"""
