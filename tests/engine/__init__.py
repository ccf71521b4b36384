"""The program under the real engine, with stand-in providers."""
