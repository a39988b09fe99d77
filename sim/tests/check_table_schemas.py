"""Validates what `eptsim check`, `eptsim dump` and `eptsim walk --context-from` write against their
schemas.

usage: check_table_schemas.py PROGRAM SCHEMA_FOLDER
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


check_schema, dump_schema, context_schema = map(validator, ("check", "dump", "context"))

# One entry for each kind of finding that this processor can show, and a guest's tables at 0x8000.
memory = bytearray(0x10000)
for address, entry in {
    0x1000: 0x2007, 0x1008: 0x1007, 0x1010: 0x2007, 0x1018: 0x5001, 0x1800: 0x7007,
    0x2000: 0x3007, 0x2008: 0x800000B7, 0x2010: 0x600F, 0x2018: 0x100000007, 0x2020: 0x4007,
    0x3000: 0x4007, 0x3008: 0x6000B7, 0x3010: 0x6010B7,
    0x4000: 0x9032, 0x4008: 0x9017, 0x4010: 1 << 50 | 0x9037, 0x4018: 0x9237, 0x4020: 0x9030,
    0x4028: 0x3337, 0x4030: 0x8337, 0x4040: 0x80000001,
    0x5000: 0xB4,
    0x8000: 0x9067, 0x8008: 0x9067, 0x9000: 0xE7,
}.items():
    memory[address:address + 8] = struct.pack("<Q", entry)


def result_of(*arguments, status=0):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == status, (arguments, done.returncode, done.stderr)
    return json.loads(done.stdout)


def core():
    """As dump-guest-memory writes one of a processor in IA-32e mode."""
    state = bytearray(440)
    struct.pack_into("<II", state, 0, 1, 440)
    struct.pack_into("<I", state, 160, 0xAF9B00)
    struct.pack_into("<5Q", state, 392, 0x80050033, 0, 0, 0x8000, 0x20)
    note = struct.pack("<III8s", 5, len(state), 0, b"QEMU") + state
    at = 64 + 2 * 56
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    segments = struct.pack("<IIQQQQQQ", 4, 0, at, 0, 0, len(note), len(note), 0) + struct.pack(
        "<IIQQQQQQ", 1, 0, at + len(note), 0, 0, len(memory), len(memory), 0)
    return header + segments + note + memory


with tempfile.TemporaryDirectory() as work:
    image = pathlib.Path(work) / "image"
    image.write_bytes(memory)
    (pathlib.Path(work) / "core").write_bytes(core())
    tables = ["--memory", image, "--eptp", "0x105e", "--maxphyaddr", "46"]
    findings = result_of("check", *tables, "--json", "-", status=1)
    check_schema.validate(findings)
    kinds = {finding["kind"] for finding in findings["findings"]}
    assert kinds == {
        "write_without_read", "reserved_address_bits", "reserved_low_bits", "reserved_page_address_bits",
        "reserved_memory_type", "table_used_twice", "table_at_two_levels", "table_cycle",
        "unreachable_table", "table_outside_memory", "no_access", "bits_in_absent_entry",
        "dirty_without_accessed", "tables_writable", "memory_types_differ"}, kinds
    ept = result_of("dump", *tables, "--json", "-")
    guest = result_of("dump", "--memory", image, "--cr3", "0x8000", "--json", "-")
    both = result_of("dump", *tables, "--cr3", "0x5000", "--json", "-")
    short = result_of("dump", *tables, "--limit", "3", "--json", "-")
    for dump in (ept, guest, both, short):
        dump_schema.validate(dump)
    assert ept["complete"] and not short["complete"]
    assert guest["mappings"] == [
        {"gva": "0x0", "gpa": "0x0", "bytes": 1 << 30, "page_size": "1G", "permission": "rwxu",
         "memory_type": "PAT0", "flags": ["ACCESSED", "DIRTY"], "misconfigured": False}], guest
    context = result_of("walk", "--context-from", pathlib.Path(work) / "core")
    context_schema.validate(context)
    assert (context["cr3"], context["efer"]) == ("0x8000", "0xd00")

# Schemas that can't fail say nothing.
assert not check_schema.is_valid(dict(findings, complete=False))
assert not check_schema.is_valid(dict(findings, findings=[dict(findings["findings"][0], kind="?")]))
assert not dump_schema.is_valid(dict(ept, eptp=None))
assert not dump_schema.is_valid(dict(guest, mappings=ept["mappings"]))
