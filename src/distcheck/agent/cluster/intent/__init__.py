"""What a group is asked to be: every place that says so, and which one counts."""
