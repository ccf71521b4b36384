"""Requests of the running stack, and their traces: apart, as what keeps them takes long to build."""
