"""Reading, mending and writing rosbags without ROS."""
