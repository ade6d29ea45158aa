"""What a run is put together from: models, optimizers, losses, ... one class each, with its settings and `build`.

A change here reruns the runs whose settings name the changed class, and no others.
"""
