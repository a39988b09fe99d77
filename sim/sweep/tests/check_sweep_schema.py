"""Validates what `eptsim sweep` writes against the schema of its results.

usage: check_sweep_schema.py PROGRAM SCHEMA
"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema

program, schema_path = sys.argv[1:]
schema = json.loads(pathlib.Path(schema_path).read_text())
jsonschema.Draft7Validator.check_schema(schema)

SWEEP = """
title = "Good and bad"
machines = ["plain"]
schemes = ["native:4K", "nested:4K/4K"]
traces = ["good", "bad"]
[vary]
cache.l2.bytes = ["1MiB", 2097152]
[variants.exits]
cheap = { vmx.exit_cycles = 100 }
dear = { vmx.exit_cycles = 10000 }
"""

with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    (folder / "good").write_text(" L 7f0000000000,8\n" * 100)
    (folder / "bad").write_text(" L 7f0000000000,8\n L nonsense\n")
    (folder / "sweep.toml").write_text(SWEEP)
    done = subprocess.run(
        [program, "sweep", str(folder / "sweep.toml"), "--output", str(folder / "out")],
        capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    document = json.loads((folder / "out" / "results.json").read_text())
    rows = list(csv.reader((folder / "out" / "results.csv").open(newline="")))

jsonschema.Draft7Validator(schema).validate(document)
assert [row["state"] for row in document["rows"]].count("done") == 8
assert [row["state"] for row in document["rows"]].count("failed") == 8

# The table says the same.
assert rows[0] == ["point"] + [thing["name"] for part in ("axes", "columns") for thing in document[part]]
assert len(rows) == 1 + len(document["rows"])
for line, row in zip(rows[1:], document["rows"]):
    assert line[0] == row["point"]
    for cell, number in zip(line[1 + len(row["axes"]):], row["columns"]):
        assert (float(cell) if cell else None) == number, (cell, number)
