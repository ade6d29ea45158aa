"""The settings of one run: everything that a config's `base`, a variant or `override` may say.

They stand apart from `config.py` because training code depends on them: a change here may retrain runs, a change to
tables or data sources does not.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

Model = Literal["cnn", "vgg_a", "vgg_a_light", "vgg_a_dropout"]
Activation = Literal["relu", "leaky_relu", "elu"]
Augmentation = Literal["none", "flip_crop"]
Optimizer = Literal["adam", "adamw", "sgd", "custom_sign_sgd"]
Loss = Literal["cross_entropy", "label_smoothing", "focal", "mse"]
Scheduler = Literal["none", "step", "plateau", "cosine"]
PerChannel = tuple[float, float, float]


class Strict(BaseModel):
    """Refuses unknown keys, infinities and later changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RunSettings(Strict):
    """Model and training of one run. The defaults are the study's base configuration (study, section 2)."""

    model: Model = "cnn"
    filters: tuple[PositiveInt, ...] = Field(
        (64, 128, 256), min_length=3, max_length=5, description="of cnn: width per block"
    )
    width_multiplier: PositiveFloat = Field(1.0, description="of the vgg models: factor of every hidden layer's width")
    activation: Activation = "leaky_relu"
    negative_slope: float = Field(0.1, ge=0, lt=1, description="slope of leaky_relu below zero")
    batch_norm: bool = True
    dropout: float = Field(0.5, ge=0, lt=1, description="of cnn and vgg_a_dropout")

    epochs: PositiveInt = 50
    batch_size: int = Field(128, ge=2)
    augmentation: Augmentation = "flip_crop"
    mean: PerChannel = (0.4914, 0.4822, 0.4465)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.2470, 0.2435, 0.2616)

    optimizer: Optimizer = "adam"
    learning_rate: PositiveFloat = 1e-3
    weight_decay: float = Field(1e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd and custom_sign_sgd")
    l1_lambda: float = Field(0.0, ge=0, description="weight of the sum of absolute parameters in the loss")
    grad_clip: PositiveFloat | None = Field(1.0, description="largest gradient norm; null: no clipping")

    loss: Loss = "cross_entropy"
    smoothing: float = Field(0.1, ge=0, lt=1, description="of label_smoothing")
    focal_alpha: PositiveFloat = 1.0
    focal_gamma: float = Field(2.0, ge=0)

    scheduler: Scheduler = "step"
    step_size: PositiveInt = Field(20, description="epochs between two steps of the step scheduler")
    step_gamma: float = Field(0.1, gt=0, le=1, description="factor of the step scheduler")
    plateau_patience: int = Field(5, ge=0, description="epochs")
    plateau_factor: float = Field(0.5, gt=0, lt=1)
    min_learning_rate: float = Field(1e-5, ge=0, description="end of the cosine scheduler")

    record_steps: bool = Field(False, description="write loss and gradient norm of every step to steps.npz")

    swa: bool = Field(False, description="stochastic weight averaging")
    swa_start: PositiveInt = Field(40, description="first epoch (counted from 1) whose weights are averaged")
    swa_learning_rate: PositiveFloat = 5e-4
    swa_anneal_epochs: PositiveInt = 10
