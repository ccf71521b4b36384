"""The program's objects on a real control plane: a real API server, real controllers, the real operator."""
