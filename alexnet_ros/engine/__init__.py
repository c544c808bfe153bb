"""Running a network: one protocol, one file per runtime."""
