"""What docs/results.md reports: its plan, its numbers, its words and its pictures."""
