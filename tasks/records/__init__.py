"""What is remembered: the journal of each run, its delivery to MLflow, and the registered models."""
