"""Training of one run: data, augmentation, models, losses, optimizers, schedules, loop."""
