"""One page about one data set: gathered from what the stages wrote, rendered without running any of them."""
