"""What a test score could owe to anything but learning: copies across splits, splits or labels told by accident."""
