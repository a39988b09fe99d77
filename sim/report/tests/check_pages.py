"""Looks at what eptsim draws in Debian's Chromium: check_pages.py PROGRAM report|comparison|compare|sweep|walk|faults

`faults` shows that the checks find what they are for: faults are seeded, one at a time, in pages that are right.
"""
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

import page_checks
from browser import Browser

TRACE = "generate:gups,footprint=8MiB"


def eptsim(folder: pathlib.Path, *arguments: str) -> None:
    subprocess.run([PROGRAM, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def report(folder: pathlib.Path) -> pathlib.Path:
    eptsim(folder, "run", TRACE, "--limit", "6000", "--output", "nested")
    eptsim(folder, "report", "nested")
    return folder / "nested/report.html"


def comparison(folder: pathlib.Path) -> pathlib.Path:
    report(folder)
    eptsim(folder, "run", TRACE, "--limit", "6000", "--output", "native", "--mode", "native", "--machine", "zen4")
    eptsim(folder, "report", "native", "nested")
    return folder / "comparison.html"


def compare(folder: pathlib.Path) -> pathlib.Path:
    eptsim(folder, "compare", TRACE, "generate:chase,pages=600", "--limit", "3000", "--schemes",
           "native:4K,nested:4K/4K,nested:2M/2M,shadow:4K/4K", "--output", "results")
    return folder / "results/report.html"


def sweep(folder: pathlib.Path) -> pathlib.Path:
    (folder / "sweep.toml").write_text("""title = "A sweep"
schemes = ["native:4K", "nested:4K/4K"]
traces = { updates = "generate:gups,footprint=8MiB", pointers = "generate:chase,pages=600" }
[vary]
nested_tlb.entries = [0, 64]
[run]
limit = 2000
""")
    eptsim(folder, "sweep", "sweep.toml", "--output", "results")
    return folder / "results/sweep.html"


def walk(folder: pathlib.Path) -> pathlib.Path:
    memory = bytearray(0x40000)

    def store(address: int, value: int) -> None:
        memory[address:address + 8] = struct.pack("<Q", value)

    for table in (0x1000, 0x2000, 0x3000, 0x10000, 0x11000, 0x12000):
        store(table, table + 0x1000 | 7)
    for frame in range(64):
        store(0x4000 + 8 * frame, frame << 12 | 6 << 3 | 7)
    store(0x4000 + 8 * 0x30, 0x30000 | 6 << 3 | 3)
    store(0x13000 + 8 * 6, 0x30000 | 7)
    (folder / "guest.dump").write_bytes(memory)
    (folder / "guest.json").write_text(
        '{"eptp": "0x101e", "cr0": "0x80010001", "cr3": "0x10000", "cr4": "0x20", "efer": "0xd00"}')
    eptsim(folder, "walk", "--memory", "guest.dump", "--context", "guest.json", "--gva", "0x6ff0", "--access", "fetch",
           "--user", "--machine", "zen5", "--html", "walk.html")
    return folder / "walk.html"


# The check that must find it, what is changed in the page, and what must be said of it.
FAULTS = {
    "a picture from elsewhere": (
        "structure", [(r"</h1>", r'</h1><img alt="" src="http://127.0.0.1:9/picture.png"/>')], "console: .*picture"),
    "a script that isn't the page's": (
        "structure", [(r"'use strict';", r"'use strict'; ")], "console: .*Content Security Policy"),
    "an error in the script": (
        "structure", [(r"(?s)<meta http-equiv.*?>", ""), (r"'use strict';", "'use strict'; nothing.of_it;")], "console: .*nothing"),
    "something loaded where the policy lets it": (
        "structure", [(r"(?s)<meta http-equiv.*?>", ""), (r"</h1>", r'</h1><img alt="" src="http://127.0.0.1:9/picture.png"/>')],
        "asks for http://127.0.0.1:9/picture.png"),
    "a wide heading": ("widths", [(r"<h1>", r'<h1 style="width:1300px">')], r"\d+ pixels wide in a window of 1280"),
    "what is wide in a fold": (
        "widths of folds", [(r"</summary>", r'</summary><p style="width:500px">-</p>')], "pixels wide in a window of 390"),
    "letters that leave their cell": (
        "widths", [(r"</style>", r"table { table-layout: fixed; width: 150px } .n { white-space: nowrap }</style>")],
        "letters leave their cell"),
    "pale remarks": ("contrast", [(r"--muted: #57606a", r"--muted: #8f98a2")], "contrast in light: .*"),
    "pale letters in folds": (
        "contrast in folds", [(r"</style>", r"details td { color: #999999 }</style>")], "contrast in light: .*TD"),
    "pale letters on bars": ("contrast", [(r"\.on-fill { fill: #ffffff", r".on-fill { fill: #8899aa")], "contrast in .*on-fill"),
    "dark letters in the dark": ("contrast", [(r"--ink: #e6e9ed", r"--ink: #777777")], "contrast in dark: .*"),
    "a drawing without a name": (
        "structure", [(r' aria-labelledby="time-title time-desc"', "")], "a drawing without title"),
    "a drawing without a role": (
        "structure", [(r' role="img" aria-labelledby="time-title', ' aria-labelledby="time-title')], "a drawing without a role"),
    "a drawing without a table": (
        "structure", [(r"(?s)(<h2>Where the cycles went</h2>.*?)<table.*?</table>", r"\1")], "no table behind the drawing"),
    "a map without a table": (
        "structure", [(r"(?s)(<h2>The walks</h2>.*?</table>).*?</section>", r"\1</div></section>")], "no table behind the map"),
    "a table without a caption": (
        "structure", [(r"<caption>Look-ups in each TLB</caption>", "")], "a table without a caption"),
    "a heading of nothing": ("structure", [(r'<th scope="row">second level', "<th>second level")], "heads neither row nor column"),
    "headings out of order": ("structure", [(r"<h2>Provenance</h2>", "<h4>Provenance</h4>")], "skips a level"),
    "an id twice": ("structure", [(r'id="time-desc"', 'id="time-title"')], "id time-title twice"),
    "a fold that the keyboard passes": ("keyboard", [(r"<summary>", '<summary tabindex="-1">')], "the tabulator doesn't come to"),
    "focus that isn't seen": (
        "keyboard", [(r":focus-visible { outline: 2px solid", ":focus-visible { outline: 0px solid")], "focus isn't seen"),
    "captions that aren't printed": ("paper", [(r"@media print {", "@media print { caption { display: none } ")], "isn't printed"),
    "folds that aren't printed": (
        "paper", [(r"(?s)<meta http-equiv.*?>", ""), (r"'beforeprint'", "'before'")], "isn't printed"),
    "folds that stay open": (
        "paper", [(r"(?s)<meta http-equiv.*?>", ""), (r"'afterprint'", "'after'")], "folds stay open"),
    "buttons on paper": ("paper", [(r"\.csv, \.search { display: none; }", "")], "buttons are printed"),
    "commas in numbers": (
        "saved tables", [(r"(?s)<meta http-equiv.*?>", ""), (r"text\.replace\(/,/g, ''\)", "text")], "where-the|cycles-by-what"),
    "a row that isn't saved": (
        "saved tables", [(r"(?s)<meta http-equiv.*?>", ""), (r"\.\.\.rows_of\(table\)\.filter", "...rows_of(table).slice(1).filter")],
        r"\d+ lines of \d+ rows"),
}
# The same of the page of two runs, whose last table can be searched.
FAULTS_OF_SEARCHING = {
    "rows that are found wrongly": (
        "searching", [(r"(?s)<meta http-equiv.*?>", ""), (r"= !words\.every", "= words.every")], "rows are found by 'Walker'"),
    "rows that are sorted the other way": (
        "searching", [(r"(?s)<meta http-equiv.*?>", ""), (r"down \? -1 : 1", "down ? 1 : -1")], "not sorted descending"),
    "hidden rows that are saved": (
        "searching", [(r"(?s)<meta http-equiv.*?>", ""), (r"rows_of\(table\)\.filter\(is_shown\)\]", "rows_of(table)]")],
        r"\d+ lines of \d+ rows"),
}


def look(browser: Browser, page: pathlib.Path) -> int:
    wrong = page_checks.look_at(browser, page)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def count_missed(browser: Browser, html: str, page: pathlib.Path, seeded: dict) -> int:
    missed = 0
    for name, (check, changes, said) in seeded.items():
        changed = html
        for pattern, instead in changes:
            changed, times = re.subn(pattern, instead, changed, count=1)
            assert times == 1, f"{name}: nothing to change by {pattern}"
        page.write_text(changed)
        found = page_checks.look_at(browser, page, [check])
        if not any(re.search(said, line) for line in found):
            print(f"{name}: not among {found}")
            missed += 1
    return missed


def faults(browser: Browser, folder: pathlib.Path) -> int:
    page = folder / "faulty.html"
    of_two = comparison(folder).read_text()
    of_one = (folder / "nested/report.html").read_text()
    missed = count_missed(browser, of_one, page, FAULTS) + count_missed(browser, of_two, page, FAULTS_OF_SEARCHING)
    return 1 if missed else 0


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="eptsim-pages-") as name, Browser() as browser:
        folder = pathlib.Path(name)
        if KIND == "faults":
            return faults(browser, folder)
        return look(browser, {"report": report, "comparison": comparison, "compare": compare, "sweep": sweep,
                              "walk": walk}[KIND](folder))


PROGRAM, KIND = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2]
sys.exit(main())
