"""The learning rate as a function of progress, without state. Paper §4.3: times 0.9 every 10 epochs."""

import math

from ifgan.config import Config


def learning_rate_factor(config: Config, epochs_done: float) -> float:
    """What the learning rates are multiplied by after ``epochs_done`` epochs, fractions included."""
    if config.schedule == "step":
        return config.decay_factor ** (int(epochs_done) // config.decay_epochs)
    if epochs_done < config.warmup_epochs:
        return max(epochs_done, 0.1) / config.warmup_epochs
    progress = (epochs_done - config.warmup_epochs) / max(config.epochs - config.warmup_epochs, 1e-9)
    return (1 + math.cos(math.pi * min(progress, 1.0))) / 2
