"""The machinery of a training job: its folder, records, checkpoints, signals and log.

A change here reruns nothing.
"""
