"""Traffic signs in camera frames: candidates, and what is reported of them."""
