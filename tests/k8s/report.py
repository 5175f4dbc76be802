"""One line for each assertion, steps with their time, and a sum at the end; on the terminal and in a transcript."""
import datetime
import pathlib
import time


class Report:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.path, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
        self.passed = self.failed = 0
        self.failures = []
        self.began = time.monotonic()

    def say(self, text):
        print(text, flush=True)
        self.file.write(text + "\n")
        self.file.flush()

    def detail(self, text):
        """Only for the transcript."""
        for line in str(text).rstrip().splitlines():
            self.file.write(f"        {line}\n")
        self.file.flush()

    def step(self, name):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%H:%M:%S")
        self.say(f"\n== {name}   ({now} UTC, {time.monotonic() - self.began:.0f} s after the start)")

    def note(self, text):
        self.say(f"   NOTE {text}")

    def ok(self, holds, what, seen=""):
        """An assertion. `seen` says what was there, whether it holds or not."""
        seen = str(seen).strip()
        first = seen.splitlines()[0][:160] if seen else ""
        self.say(f"   {'ok    ' if holds else 'FAILED'} {what}{': ' + first if first else ''}")
        if "\n" in seen or len(seen) > 160:
            self.detail(seen)
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            self.failures.append(what)
        return bool(holds)

    def close(self):
        self.say("")
        for failure in self.failures:
            self.say(f"FAIL {failure}")
        self.say(f"transcript: {self.path}")
        self.say(f"{self.passed} passed, {self.failed} failed")
        self.file.close()
