"""What a user's data is, found by looking, and the section of params.yaml that it would need."""
