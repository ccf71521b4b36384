"""The simulated order processor: six services, their load and their container runtime, as processes on loopback.

A stand-in. It behaves as the running application was observed to: routes, redirects, refusals. It does not prove that
the application still behaves so, says nothing of its capacity, keeps its data in memory, and leaves out the gateway's
circuit breaker and its block of addresses after failed logins.

How it tells what it does comes in two dialects, of which a process speaks one (`--dialect`):
- `package/`: as the application is with the instrumentation package (`instrumentation/`);
- `today/`: as it is now, with its metric names, raw-path labels and log lines, and without business metrics. Its lines
  are those of the real application, recorded (`today/recorded/`).
Everything beside these two directories belongs to both: what becomes of a request is decided here, and told there.

Programs: `service` (one Python service), `gateway`, `load`, and `container` (runs a command and keeps its log).
"""
