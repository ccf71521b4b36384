"""One module per simulated Python service: its routes and what its requests do."""
