#!/usr/bin/env python3
"""The tables of inputs and outputs in terraform/README.md.

  tables.py            exit code 1 if they are not those of the .tf files
  tables.py --write    write them anew

A table stands between `<!-- inputs of FOLDER -->` or `<!-- outputs of FOLDER -->` and `<!-- end -->`.
"""

import os
import re
import sys

from declarations import declarations
from workbench import SOURCES

README = os.path.join(SOURCES, "README.md")
PLACE = re.compile(r"(<!-- (inputs|outputs) of (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def cell(text):
    return text.replace("|", "\\|")


def inputs(folder):
    lines = ["| input | type | default | what |", "|---|---|---|---|"]
    for input in declarations(folder):
        if input.kind == "variable":
            default = "required" if input.default is None else f"`{input.default}`"
            lines.append(f"| `{input.name}` | `{input.type}` | {default} | {cell(input.description)} |")
    return lines


def outputs(folder):
    lines = ["| output | what |", "|---|---|"]
    for output in declarations(folder):
        if output.kind == "output":
            lines.append(f"| `{output.name}` | {cell(output.description)} |")
    return lines


def renewed(text):
    def table(place):
        begin, kind, folder, end = place.groups()
        lines = {"inputs": inputs, "outputs": outputs}[kind](folder)
        return begin + "".join(f"{line}\n" for line in lines) + end

    return PLACE.sub(table, text)


def read():
    with open(README) as file:
        return file.read()


def main():
    text = read()
    if sys.argv[1:] == ["--write"]:
        with open(README, "w") as file:
            file.write(renewed(text))
    elif renewed(text) != text:
        sys.exit("terraform/README.md is not what the .tf files say: run tests/terraform/tables.py --write")


if __name__ == "__main__":
    main()
