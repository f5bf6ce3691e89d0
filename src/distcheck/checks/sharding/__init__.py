"""One copy of the model, cut as intended."""
