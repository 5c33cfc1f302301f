"""What is ours: the commands a user types, in a fresh project each time."""
