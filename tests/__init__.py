"""The project's tests; `checks.program` runs the program for all of them."""
