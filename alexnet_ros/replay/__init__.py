"""Bags in, scored reports out, without ROS running."""
