"""Measures this project beside its rivals: the same samples, splits, weights and threads, each in a fresh process."""
