#!/usr/bin/env python3
"""The nine checks of the literal policy in pandas and polars, beside this crate, in one run.

usage: python3 benches/rivals/quality_rivals.py [ROWS]      (needs numpy, pandas, polars; default 1,000,000 and 10,000,000)

Builds the example `quality_speed`, which makes the same series and times the crate; all take turns in one process
tree on one machine. The nine checks: high below low, open outside, close outside, negative volume, price not above
zero, change above 20 %, volume above 10 x mean, 3 flat rows without volume, 3 sigma. Each rival must count the same
rows for each check, or the script fails.
"""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5


def series(rows):
    """A random walk with some of each fault, the same for all; written for the crate as raw little-endian doubles."""
    random = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.002, rows)) % 2 - 1)
    open_ = np.concatenate([[close[0]], close[:-1]]) * np.exp(random.normal(0, 0.001, rows))
    high = np.maximum(open_, close) * (1 + np.abs(random.normal(0, 0.002, rows)))
    low = np.minimum(open_, close) / (1 + np.abs(random.normal(0, 0.002, rows)))
    volume = np.round(1e6 * np.exp(random.normal(0, 0.4, rows)))
    for at in random.integers(10, rows - 10, max(rows // 10_000, 5)):
        match at % 5:
            case 0:
                high[at], low[at] = low[at], high[at]
            case 1:
                close[at] *= 1.5
            case 2:
                volume[at] *= 100
            case 3:
                volume[at : at + 4] = 0
                for column in (open_, high, low, close):
                    column[at : at + 4] = close[at - 1]
            case 4:
                low[at] = -1.0
    return [open_, high, low, close, volume]


def with_pandas(columns):
    import pandas as pd

    frame = pd.DataFrame(dict(zip(["open", "high", "low", "close", "volume"], columns)), copy=False)

    def check():
        o, h, l, c, v = (frame[name] for name in frame.columns)
        last = c.shift(1)
        change = c / last - 1
        valid = change[(last > 0) & (c > 0)]
        mean, sigma = valid.mean(), valid.std(ddof=0)
        traded = v[v > 0]
        flat = (v == 0) & ((c == last) | last.isna())
        run = flat.groupby((~flat).cumsum()).transform("sum")
        fine = h >= l
        return [
            int((h < l).sum()),
            int((fine & ((o < l) | (o > h))).sum()),
            int((fine & ((c < l) | (c > h))).sum()),
            int((v < 0).sum()),
            int(((o <= 0) | (h <= 0) | (l <= 0) | (c <= 0)).sum()),
            int(((last > 0) & (change.abs() > 0.2)).sum()),
            int((v > 10 * traded.mean()).sum()),
            int((flat & (run >= 3)).sum()),
            int(((last > 0) & (c > 0) & ((change - mean).abs() > 3 * sigma)).sum()),
        ]

    return check


def with_polars(columns):
    import polars as pl

    frame = pl.DataFrame(dict(zip(["open", "high", "low", "close", "volume"], columns)))
    o, h, l, c, v = (pl.col(name) for name in frame.columns)
    last = c.shift(1)
    change = c / last - 1
    known = (last > 0) & (c > 0)
    valid = change.filter(known)
    fine = h >= l
    flat = (v == 0) & ((c == last) | last.is_null())
    run = flat.sum().over(flat.rle_id())
    query = [
        (h < l).sum().alias("high_below_low"),
        (fine & ((o < l) | (o > h))).sum().alias("open_outside"),
        (fine & ((c < l) | (c > h))).sum().alias("close_outside"),
        (v < 0).sum().alias("negative_volume"),
        ((o <= 0) | (h <= 0) | (l <= 0) | (c <= 0)).sum().alias("non_positive_price"),
        ((last > 0) & (change.abs() > 0.2)).sum().alias("large_change"),
        (v > 10 * v.filter(v > 0).mean()).sum().alias("volume_spike"),
        (flat & (run >= 3)).sum().alias("flat_rows"),
        (known & ((change - valid.mean()).abs() > 3 * valid.std(ddof=0))).sum().alias("sigma_outlier"),
    ]

    def check():
        return list(frame.lazy().select(query).collect().row(0))

    return check


def with_crate(columns, *options):
    rows = len(columns[0])
    path = ROOT / "target" / "quality_rivals.bin"
    np.stack(columns).tofile(path)
    command = ["cargo", "run", "--release", "--quiet", "--example", "quality_speed", "--", path, str(rows), *options]

    def check():
        lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
        return float(lines[0]), [int(word) for word in lines[1].split()]

    return check


def measure(rows):
    columns = series(rows)
    rivals = {"pandas": with_pandas(columns), "polars": with_polars(columns)}
    ours = {
        "feedguard literal, 1 thread": with_crate(columns, "literal", "1"),
        "feedguard literal, 2 threads": with_crate(columns, "literal", "2"),
        "feedguard robust, 1 thread": with_crate(columns, "robust", "1"),
    }
    times = {name: [] for name in [*ours, *rivals]}
    counts = {}
    for _ in range(ROUNDS):
        for name, check in rivals.items():
            begun = time.perf_counter()
            counts[name] = check()
            times[name].append(1e3 * (time.perf_counter() - begun))
        for name, check in ours.items():
            took, counts[name] = check()
            times[name].append(took)
    expected = counts["feedguard literal, 1 thread"]
    for name, found in counts.items():
        if "robust" not in name and found != expected:
            sys.exit(f"{name} counts {found}, feedguard {expected}")
    print(f"\n{rows} rows, rows found by check: {expected}")
    best = sorted(times["feedguard literal, 1 thread"])[ROUNDS // 2]
    for name, taken in times.items():
        median = sorted(taken)[ROUNDS // 2]
        print(f"{name:<32} {median:>10.2f} ms {rows / median / 1e3:>9.1f} M rows/s {median / best:>7.2f}")


if __name__ == "__main__":
    subprocess.run(["cargo", "build", "--release", "--quiet", "--example", "quality_speed"], cwd=ROOT, check=True)
    try:
        for rows in [int(word) for word in sys.argv[1:]] or [1_000_000, 10_000_000]:
            measure(rows)
    finally:
        (ROOT / "target" / "quality_rivals.bin").unlink(missing_ok=True)
