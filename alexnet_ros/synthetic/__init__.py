"""A rendered drive past traffic signs."""
