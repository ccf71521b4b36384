"""What every test of this project needs of its process."""

import signal

# A shell starts background jobs with SIGINT ignored, and what ignores it passes that on: no test of Ctrl-C could work.
signal.signal(signal.SIGINT, signal.default_int_handler)
