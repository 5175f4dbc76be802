"""The variables and outputs of a module, read from its files.

Reads the layout that `terraform fmt` gives: a block begins and ends in the first column, an attribute stands two columns in,
on one line.
"""

import os
import re

from workbench import SOURCES

BLOCK = re.compile(r'^(variable|output) "([^"]+)" \{$(.*?)^\}$', re.MULTILINE | re.DOTALL)
MESSAGE = re.compile(r'^    error_message += "(.*)"$', re.MULTILINE)


class Declaration:
    def __init__(self, kind, name, body):
        self.kind = kind
        self.name = name
        self.type = attribute(body, "type")
        self.default = attribute(body, "default")
        self.description = (attribute(body, "description") or "").strip('"').replace('\\"', '"')
        self.messages = [message.replace('\\"', '"') for message in MESSAGE.findall(body)]
        self.validations = body.count("\n  validation {")


def attribute(body, name):
    found = re.search(rf"^  {name} += (.*)$", body, re.MULTILINE)
    return found.group(1) if found else None


def declarations(folder):
    found = []
    directory = os.path.join(SOURCES, folder)
    for name in sorted(os.listdir(directory)):
        if name.endswith(".tf"):
            with open(os.path.join(directory, name)) as file:
                found += [Declaration(*match) for match in BLOCK.findall(file.read())]
    return found
