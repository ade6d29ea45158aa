"""Finished runs in experiment trackers: TensorBoard, MLflow and W&B. Training knows of none of them.

A change here exports differently, and trains nothing.
"""
