"""Whether a new version takes the champion's place: what is checked, on what, and what came of it."""
