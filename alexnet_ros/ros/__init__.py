"""The ROS 2 face: nodes that only wire."""
