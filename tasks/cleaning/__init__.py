"""What takes up space in a project, and what of it nothing needs that is current or registered."""
