"""How well it was learnt: resamples, comparisons, findings and their pictures."""
