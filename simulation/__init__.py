"""The application, exporters and receivers that the rehearsal runs in place of real ones."""

CHECK_SECONDS = 5.0
"""How often the instrumentation package has a service check what it depends on."""
