#!/usr/bin/env python3
"""Run stock clients and tools against one target, and write what came of each.

  run.py --target kafka|dev|cluster [ENTRY…]   all entries, or those named
  run.py --list                                the entries
  run.py --target TARGET --record              take that target's results in the target directory over into
                                               tests/matrix/results.json and write docs/clients.md

`make matrix` calls it with what it needs: ESKER_CACHE, CARGO_TARGET_DIR and the variables of `scripts/setup`.
Each entry has an empty target for itself, a deadline, and one line for each of its steps. What it wrote stays in
the target directory when it failed. Exit code 1 when an entry failed, 2 for wrong usage.
"""

import argparse
import os
import shutil
import signal
import sys
import time
import traceback

from matrix.entries import ENTRIES
from matrix.entry import DeadlinePassed, Run, Skip, deadline
from matrix.parts import Parts
from matrix.processes import Failure
from matrix.results import record, result, write
from matrix.table import write_document
from matrix.targets import TARGETS

# Starting and ending a target is not in an entry's own time.
TARGET_LIMIT_S = 240
# Fetching and building a part for the first time is not, either.
PARTS_LIMIT_S = 3_600


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--target", choices=sorted(TARGETS), default="dev")
    p.add_argument("--list", action="store_true")
    p.add_argument("--record", action="store_true")
    p.add_argument("entries", nargs="*", metavar="ENTRY")
    args = p.parse_args()
    unknown = [name for name in args.entries if name not in ENTRIES]
    if unknown:
        p.error(f"there is no entry {', '.join(unknown)}; there are: {', '.join(ENTRIES)}")
    return args


def main():
    args = arguments()
    build = os.environ.get("CARGO_TARGET_DIR") or os.path.abspath("target")
    if args.list:
        for entry in ENTRIES.values():
            print(f"{entry.name:18} {entry.client} {entry.version}: {entry.ran}")
        return 0
    if args.record:
        print(f"matrix: {record(build, args.target)} results of {args.target} taken over; wrote {write_document()}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parts = Parts(os.environ.get("ESKER_CACHE") or build, build)
    outcomes = {"pass": 0, "fail": 0, "skip": 0}
    for name in args.entries or ENTRIES:
        found = run_entry(ENTRIES[name], TARGETS[args.target], parts)
        outcomes[found["outcome"]] += 1
    print(f"{outcomes['pass']} passed, {outcomes['fail']} failed, {outcomes['skip']} skipped", flush=True)
    if outcomes["skip"] and os.environ.get("CI") == "true" and os.environ.get("ESKER_ALLOW_SKIPS") != "1":
        print("matrix: on CI nothing may be skipped (ESKER_ALLOW_SKIPS=1 allows it)", file=sys.stderr)
        return 1
    return 1 if outcomes["fail"] else 0


def run_entry(entry, target_class, parts):
    """Run one entry on a target of its own; write and return its result."""
    print(f"== {entry.name} on {target_class.name}: {entry.client} {entry.version}", flush=True)
    directory = os.path.join(parts.build, "matrix", "run", f"{target_class.name}-{entry.name}")
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(os.path.join(directory, "target"))
    started = time.monotonic()
    target, run, outcome, reason = target_class, None, "pass", ""
    try:
        if entry.prepare is not None:
            with deadline(PARTS_LIMIT_S):
                entry.prepare(parts)
        with deadline(entry.deadline_s + TARGET_LIMIT_S):
            target = target_class(parts, os.path.join(directory, "target"), entry.settings)
            target.start()
        run = Run(entry, target, parts, os.path.join(directory, "entry"))
        with deadline(entry.deadline_s):
            entry.body(run)
        failed = [step["name"] for step in run.steps if step["outcome"] == "fail"]
        if failed:
            outcome, reason = "fail", f"failed: {', '.join(failed)}"
    except Skip as e:
        outcome, reason = "skip", str(e)
    except (Failure, DeadlinePassed) as e:
        outcome, reason = "fail", str(e)
    except Exception as e:  # what no step caught is a fault of the entry itself: it is shown whole
        outcome, reason = "fail", f"{type(e).__name__}: {e}"
        traceback.print_exc()
    finally:
        if run is not None:
            run.processes.end_all()
        if target is not target_class:
            target.stop()
    found = result(entry, target, outcome, reason, run, time.monotonic() - started)
    path = write(parts.build, found)
    if outcome == "pass":
        shutil.rmtree(directory, ignore_errors=True)
    word = {"pass": "ok", "fail": "FAILED", "skip": "SKIP"}[outcome]
    counts = ", ".join(f"{count} {what}" for what, count in found["counts"].items())
    print(f"== {entry.name}: {word}: {reason or counts}; {found['seconds']} s; {path}", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
