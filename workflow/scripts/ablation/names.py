"""How the study writes the choices of a run: in the names of its weights' files, and in the report. No torch."""

STUDY_NAMES = {
    "leaky_relu": "LeakyReLU",
    "relu": "ReLU",
    "elu": "ELU",
    "cross_entropy": "CrossEntropy",
    "label_smoothing": "LabelSmoothing",
    "focal": "FocalLoss",
    "mse": "MSE",
    "adam": "Adam",
    "adamw": "AdamW",
    "sgd": "SGD",
    "custom_sign_sgd": "CustomSignSGD",
    "step": "StepLR",
    "plateau": "ReduceLROnPlateau",
    "cosine": "CosineAnnealingLR",
    "none": "NoScheduler",
}
