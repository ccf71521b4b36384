"""Assets, prices and holdings as smooth functions of time, so that all processes agree without sharing state.

Stand-in figures: plausible curves, neither market data nor the sum of the simulated orders.
"""

from __future__ import annotations

import math

ASSET_NAMES = {"BTC": "Bitcoin", "ETH": "Ethereum", "SOL": "Solana", "ADA": "Cardano"}
ASSETS = tuple(ASSET_NAMES)
REFERENCE_PRICES_USD = {"BTC": 64_000.0, "ETH": 3_100.0, "SOL": 145.0, "ADA": 0.48}
BALANCE_USD = 5_000.0  # what every customer has, whatever was paid in or out
REFERENCE_HOLDINGS = {"BTC": 12.0, "ETH": 210.0, "SOL": 5_400.0, "ADA": 900_000.0}


def price_usd(asset: str, at: float) -> float:
    """Return the price in US dollars at Unix time `at`: within 3 % of the reference, an hour's and a minutes' wave."""
    phase = float(ASSETS.index(asset))
    wave = 0.02 * math.sin(2 * math.pi * at / 3600 + phase) + 0.01 * math.sin(2 * math.pi * at / 420 + 2 * phase)
    return round(REFERENCE_PRICES_USD[asset] * (1 + wave), 4)


def holding(asset: str, at: float) -> float:
    """Return how much of an asset all customers hold together at Unix time `at`: within 5 % of the reference."""
    wave = 0.05 * math.sin(2 * math.pi * at / 5400 + ASSETS.index(asset))
    return REFERENCE_HOLDINGS[asset] * (1 + wave)


def portfolio_value_usd(at: float) -> float:
    """Return the value of all holdings in US dollars at Unix time `at`."""
    return sum(holding(asset, at) * price_usd(asset, at) for asset in ASSETS)


def portfolio_pnl_usd(at: float) -> float:
    """Return profit (or loss, below 0) in US dollars against the reference prices at Unix time `at`."""
    return sum(holding(asset, at) * (price_usd(asset, at) - REFERENCE_PRICES_USD[asset]) for asset in ASSETS)
