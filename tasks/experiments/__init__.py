"""Trainings tried without keeping a model: measured again, searched, ranked by their backbones."""
