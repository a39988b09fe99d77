"""Validates context, requests and results of `eptsim walk` against their schemas.

usage: check_walk_schemas.py PROGRAM SCHEMA_FOLDER
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import jsonschema

program, folder = sys.argv[1], pathlib.Path(sys.argv[2])


def validator(name):
    schema = json.loads((folder / f"{name}.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


context_schema, request_schema, result_schema = map(validator, ("context", "request", "result"))

# An EPT of one 1 GiB page, read and execute but no write, and one that is misconfigured; guest tables
# of one 2 MiB page.
memory = bytearray(0x10000)
for address, entry in {
    0x1000: 0x2007, 0x2000: 0xB5, 0x2008: 0x82,
    0x5000: 0x6027, 0x6000: 0x7027, 0x7000: 0xE7, 0x7008: 0x40000067,
}.items():
    memory[address:address + 8] = struct.pack("<Q", entry)
context = {"eptp": "0x101e", "cr0": "0x80010001", "cr3": "0x5000", "cr4": 32, "efer": "0xd00",
           "cpu": {"maxphyaddr": 40}}
requests = [
    {"id": 1, "gva": "0x123456", "access": "read", "user": True},
    {"id": "two", "gva": "0x1000", "access": "write"},
    {"gva": "0x200000", "access": "read"},
    {"gva": "0x7fffffff", "access": "fetch"},
    {"gva": "0xffff000000000000"},
    {"gpa": 0, "access": "fetch", "size": 4},
    {"gva": "0xffc", "size": 8},
]
context_schema.validate(context)
for request in requests:
    request_schema.validate(request)

def answers(requests, *options):
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        (work / "image").write_bytes(memory)
        (work / "context").write_text(json.dumps(context))
        (work / "requests").write_text("".join(json.dumps(request) + "\n" for request in requests))
        done = subprocess.run(
            [program, "walk", "--memory", work / "image", "--context", work / "context",
             "--requests", work / "requests", *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(requests)
    for result in results:
        result_schema.validate(result)
        if "refs" in result:
            assert result["references"] == len(result["refs"])
    return results


results = answers(requests)
outcomes = {result["outcome"] for result in results}
assert outcomes == {"translated", "ept_violation", "ept_misconfig", "page_fault",
                    "general_protection"}, outcomes

operations = [
    {"id": 1, "gva": "0x123456"},
    {"id": 2, "store": {"address": "0x7000", "size": 8, "value": "0x400000e7"}},
    {"gva": "0x123456"},
    {"invalidate": "invept", "type": 1, "eptp": "0x101e"},
    {"invalidate": "invvpid", "type": 0, "vpid": 1, "gva": "0x123456"},
    {"invalidate": "invpcid", "type": 2},
    {"invalidate": "invlpg", "gva": "0x123456"},
    {"invalidate": "mov_cr3", "value": "0x5000"},
    {"invalidate": "vm_transition"},
]
for operation in operations:
    request_schema.validate(operation)
cached = answers(operations, "--cached")
assert cached[2]["hit"] == "tlb" and cached[1] == {"id": 2, "outcome": "stored"}, cached

# Schemas that can't fail say nothing.
assert not request_schema.is_valid({"invalidate": "invlgp", "gva": 0})
assert not request_schema.is_valid({"store": {"address": 0}})
assert not result_schema.is_valid({"outcome": "stored", "hpa": "0x0"})
assert not result_schema.is_valid(dict(results[0], hpa=123))
assert not result_schema.is_valid({k: v for k, v in results[0].items() if k != "hpa"})
assert not request_schema.is_valid({"gva": 0, "gpa": 0})
assert not context_schema.is_valid({"cr5": 0})
