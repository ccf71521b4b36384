"""The project's tests; `tests.program` runs the program for all of them."""
