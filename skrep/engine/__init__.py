"""Training and inference: the only place that knows skorch and accelerate."""
