"""The settings that values.schema.json knows, from what `esker agent --help` says.

A setting's type follows from the word that stands for its value there: COUNT is a whole number, SIZE a number
or text such as 8MiB. What the word does not tell, any scalar may be.
"""

import json
import re
import subprocess

from chart import CHART

SCHEMA = CHART / "values.schema.json"

# Flags that are no settings.
FLAGS = {"config", "help"}
OPTION = re.compile(r"^ {6}--([a-z0-9-]+)(?: \[?<([^>]+)>\]?)?", re.MULTILINE)

WHOLE = {"type": "integer", "minimum": 0}
TYPES = {
    "BOOL": {"type": "boolean"},
    "COUNT": WHOLE,
    "MILLISECONDS": WHOLE,
    "SECONDS": WHOLE,
    "MINUTES": WHOLE,
    "SIZE": {"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9_]+ ?([kKmMgGtT]?[iI]?[bB]?)$"},
    "RATIO": {"type": "number", "minimum": 0, "maximum": 1},
}
TEXT_WORDS = {"URL", "DIRECTORY", "FILE", "PATH", "NAME", "ID", "ZONE", "HOST:PORT"}
ANY = {"type": ["string", "number", "boolean"]}


def of_help(text):
    """Name and schema of every setting."""
    found = {}
    for flag, word in OPTION.findall(text):
        if flag not in FLAGS:
            found[flag.replace("-", "_")] = of_word(word)
    return found


def of_word(word):
    if word in TYPES:
        return TYPES[word]
    if re.fullmatch(r"[a-z]+(\|[a-z]+)+", word):
        return {"enum": word.split("|")}
    if word in TEXT_WORDS or word.endswith(",..."):
        return {"type": "string"}
    return ANY


def of_program(esker):
    done = subprocess.run([esker, "agent", "--help"], capture_output=True, text=True, check=True)
    return of_help(done.stdout)


def of_schema():
    return json.loads(SCHEMA.read_text())["$defs"]["settings"]["properties"]


def rewrite(settings):
    schema = json.loads(SCHEMA.read_text())
    schema["$defs"]["settings"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(sorted(settings.items())),
    }
    SCHEMA.write_text(json.dumps(schema, indent=2) + "\n")
