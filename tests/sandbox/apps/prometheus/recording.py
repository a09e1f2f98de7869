"""Records what the machine's Prometheus answers to the drawn queries, for machines that have none.

``.venv/bin/python -m tests.sandbox.apps.prometheus.recording`` writes ``tests/answers/promql.json.xz``.
"""

import json
import lzma
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.sandbox.apps.prometheus import drawing, real

FILE = Path(__file__).parents[3] / "answers" / "promql.json.xz"
COUNT = 700
SEED = 2026


def queries(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Drawn queries, at one time and over a range by turns."""
    drawn, draw = drawing.Queries(seed), random.Random(seed)
    for number in range(count):
        at = (drawing.BEGIN + draw.randrange(200_000, 2_600_000)) / 1000
        asked = {"start": str(at), "end": str(at + 300), "step": "61"} if number % 2 else {"time": str(at)}
        yield {"query": drawn.query(), **asked}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, real.prometheus(Path(folder), drawing.series()) as url:
        answered = [{"asked": query, "answer": real.ask(url, query)} for query in queries(COUNT, SEED)]
    FILE.write_bytes(lzma.compress(json.dumps(answered, separators=(",", ":")).encode(), preset=9))
    print(f"{len(answered)} answers in {FILE}, {FILE.stat().st_size} bytes")
