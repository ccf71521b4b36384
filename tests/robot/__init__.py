"""Whether the robot that raises pins finds them."""
