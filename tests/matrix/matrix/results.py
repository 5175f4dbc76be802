"""What a run found: one JSON file for each entry and target, in the target directory.

`record` copies the outcome into tests/matrix/results.json, which is kept with the sources and from which
`table.py` writes docs/clients.md.
"""

import glob
import json
import os
import time

from matrix.parts import MATRIX

RECORDED = os.path.join(MATRIX, "results.json")


def result(entry, target, outcome, reason, run, seconds):
    """`outcome` is pass, fail or skip; `run` is None where nothing was started."""
    steps = run.steps if run else []
    counts = run.counts if run and run.counts is not None else {
        "pass": sum(step["outcome"] == "pass" for step in steps),
        "fail": sum(step["outcome"] == "fail" for step in steps),
    }
    return {
        "entry": entry.name,
        "client": entry.client,
        "client_version": entry.version,
        "ran": entry.ran,
        "target": target.name,
        "target_version": getattr(target, "version", None),
        "outcome": outcome,
        "reason": reason,
        "counts": counts,
        "seconds": round(seconds, 1),
        "finished": time.strftime("%Y-%m-%d", time.gmtime()),
        "steps": steps,
    }


def directory(build):
    return os.path.join(build, "matrix", "results")


def write(build, found):
    path = os.path.join(directory(build), found["target"], f"{found['entry']}.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1, ensure_ascii=False)
        file.write("\n")
    return path


def recorded():
    """{entry: {target: result without steps}}."""
    if not os.path.exists(RECORDED):
        return {}
    with open(RECORDED, encoding="utf-8") as file:
        return json.load(file)


def record(build, target):
    """Take over what the target directory holds of one target; returns how many results that were.

    One target, named: a build directory that others use too may hold results of another build of Esker.
    """
    kept = recorded()
    count = 0
    for path in sorted(glob.glob(os.path.join(directory(build), target, "*.json"))):
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        short = {name: found[name] for name in
                 ("client_version", "target_version", "outcome", "reason", "counts", "finished")}
        kept.setdefault(found["entry"], {})[found["target"]] = short
        count += 1
    with open(RECORDED, "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1, ensure_ascii=False, sort_keys=True)
        file.write("\n")
    return count
