"""What is known of a pretrained network: its weights, its shape, how it is asked and how it learns."""
