"""Validates what `eptsim run` and `eptsim compare` write against the schema of statistics.

usage: check_schema.py PROGRAM SCHEMA
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema

program, schema_path = sys.argv[1:]
schema = json.loads(pathlib.Path(schema_path).read_text())
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)


def result_of(*arguments, status=0):
    done = subprocess.run([program, *arguments, "--json", "-"], capture_output=True, text=True)
    assert done.returncode == status, (arguments, done.returncode, done.stderr)
    return json.loads(done.stdout)


with tempfile.TemporaryDirectory() as folder:
    trace = pathlib.Path(folder) / "trace"
    lines = [f" L {0x7F0000000000 + 4096 * page:x},8\n" for page in range(300)]
    trace.write_text("".join(lines))
    damaged = pathlib.Path(folder) / "damaged"
    damaged.write_text("".join(lines) + " L nonsense\n")

    documents = [
        result_of("run", str(trace)),
        result_of("run", str(trace), "--mode", "native", "--limit", "7"),
        result_of("run", str(trace), "--set", "dram.cycles=5", "--ept-page", "2M"),
        result_of("run", str(trace), "--machine", "plain", "--set", "dram.model=banked"),
        result_of("run", str(trace), "--detail", "translation"),
        result_of("run", str(trace), "--mode", "shadow", "--guest-page", "thp"),
        result_of("run", str(trace), str(trace), "--set", "core.count=1"),
        result_of("run", str(trace), "generate:gups,footprint=1MiB,accesses=1000", "--set",
                  "hypervisor.traces=vms"),
        result_of("run", str(damaged), status=2),
    ]
    both = result_of("compare", str(trace))
    documents += [both["native"], both["nested"]]
    documents += [scheme["run"] for scheme in both["schemes"]]

for document in documents:
    validator.validate(document)
    stats = document["stats"]
    for member in ("accesses", "instructions", "cycles", "translation_cycles"):
        in_all = stats["core_cycles" if member == "cycles" else member]
        in_intervals = sum(interval[member] for interval in stats["timeline"])
        assert in_intervals == in_all, (member, in_intervals, in_all)
    walks = sum(bin["walks"] for bin in stats["walker"]["latency"]["histogram"])
    assert walks == stats["walker"]["walks"], walks
    for level, references in stats["walker"]["served_by"].items():
        parts = [stats["walker"][part + "_served_by"][level] for part in ("guest", "ept")]
        assert sum(parts) == references, (level, parts)

# The schema must be one that can fail.
broken = dict(documents[0], stats=dict(documents[0]["stats"], accesses="300"))
assert not validator.is_valid(broken)
extended = dict(documents[0], stats=dict(documents[0]["stats"], unknown=1))
assert not validator.is_valid(extended)
