"""Tests of alexnet_ros; helpers are imported as ``tests.models`` and so on."""
