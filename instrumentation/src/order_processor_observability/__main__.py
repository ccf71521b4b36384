"""`python -m order_processor_observability check URL`: does a running service keep the contract?

Exit code 0 if it does, 1 if not, 2 if it cannot be told.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from order_processor_observability.contract import UnreachableError, check
from order_processor_observability.contract.finding import some


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        findings, left = check(
            options.url,
            metrics_path=options.metrics_path,
            prefix=options.prefix,
            logs=options.logs,
            leave_traces=options.leave_traces,
        )
    except (UnreachableError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    failed = sum(finding.wrong is not None for finding in findings)
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    sys.stdout.write(f"\n{len(findings)} checked, {failed} failed\n{_traces(left)}\n")
    return 1 if failed else 0


def _traces(left: list[str]) -> str:
    if not left:
        return "This check has left no series behind."
    return f"The service has {len(left)} series more than before, until it restarts: {some(left)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m order_processor_observability", description=__doc__)
    command = parser.add_subparsers(required=True, metavar="check").add_parser(
        "check", help="test a running service against the contract; it leaves no series behind unless told to"
    )
    command.add_argument("url", help="its address, such as http://localhost:8002")
    command.add_argument("--metrics-path", default="/metrics", help="default: %(default)s")
    command.add_argument("--prefix", help="of its metrics; default: found in them")
    command.add_argument(
        "--leave-traces",
        action="store_true",
        help="ask for 26 unknown paths, too, of a service that may keep each in its series until it restarts",
    )
    command.add_argument("--logs", type=Path, metavar="FILE", help="file with its standard output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
