"""What others would write, each as its own documentation tells its users to; none knows the bench but for `data`."""
