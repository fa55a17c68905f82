"""Training: a LightningModule around any `Model`, its callbacks and its checkpoint files."""
