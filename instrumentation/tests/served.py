"""A service for the tests of whole processes: `uvicorn served:app`, or `python served.py PORT`."""

import asyncio
import logging
import sys
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI

from order_processor_observability import observe

app = FastAPI()
log = structlog.get_logger("orders")


@app.get("/orders/{order_id}")
async def order(order_id: str) -> str:
    return order_id


@app.get("/slow")
async def slow(until: Path) -> None:
    """Takes until there is such a file."""
    log.info("begun")
    while not until.exists():
        await asyncio.sleep(0.02)
    logging.getLogger("library").info("done")


@app.get("/broken")
async def broken() -> None:
    raise ValueError("broken on purpose")


handle = observe(app, service="order-service", version="1.2.3", business=["orders"], assets=["BTC"])
handle.health.register("dynamodb", lambda: True)

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]))
