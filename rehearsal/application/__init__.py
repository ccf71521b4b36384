"""The simulated order processor: six services, their load and their container runtime, as processes on loopback.

A stand-in. It behaves as the running application was observed to: routes, redirects, metric names, raw-path labels,
log dialects. It does not prove that the application still behaves so, says nothing of its capacity, keeps its data in
memory, and leaves out the gateway's circuit breaker and its block of addresses after failed logins.

Programs: `service` (one Python service), `gateway`, `load`, and `container` (runs a command and keeps its log).
"""
