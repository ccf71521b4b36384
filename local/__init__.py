"""What all that runs on this machine shares: its directory, ports, processes, errors and Ctrl-C."""
