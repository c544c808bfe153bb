"""Image recognition with AlexNet for ROS 2."""

__version__ = '0.1.0'
