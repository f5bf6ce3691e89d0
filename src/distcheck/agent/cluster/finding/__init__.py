"""From a TARGET to the serving group: which kind ties its pods together, and who is in it."""
