"""Measuring this machine: everything side by side, in turn, in one run."""
