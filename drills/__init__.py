"""Drills: real faults against a rehearsal in faster time, and whether the right people are told of them in time.

Each drill is declared in `drills.yaml`: what breaks and heals at which minute of the stack's time, and what is told by
which channel. Whatever else is told, comes twice, late or never, fails it. The whole chain is real: series of the
simulated services, Prometheus with the deployed rules, Alertmanager with the deployed routes, and receivers that speak
the vendors' protocols; see `rehearsal.speed` for what faster time changes, and docs/proof.md for what stands in.

A soak (`soak.py`) is the opposite: hours of what goes on in a healthy system, of which nobody may be told anything.
"""
