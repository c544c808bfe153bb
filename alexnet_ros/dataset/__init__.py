"""Pictures to label and train on, taken from bags."""
