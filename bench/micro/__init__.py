"""One thing at a time, without imports: features of samples, and epochs of a training."""
