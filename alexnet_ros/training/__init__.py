"""From labelled images to a model package (needs torch)."""
