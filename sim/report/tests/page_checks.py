"""What every page that eptsim writes must be, found out in a browser. Each check returns what is wrong, a line each."""
import base64
import csv
import io
import json
import pathlib
import re
import subprocess

from browser import ENTER, TAB, Browser

WIDTHS = (1280, 390)  # of a laptop and of a phone, in pixels
SCHEMES = ("light", "dark")

FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]"

# Texts that can be seen, each with its colour and what lies behind it, by their contrast as WCAG 2 has it.
CONTRAST = r"""
const channels = text => { const n = text.match(/[\d.]+(e-?\d+)?/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
const over = (front, back) => [0, 1, 2].map(i => front[i] * front[3] + back[i] * (1 - front[3]));
const luminance = colour => {
  const [r, g, b] = colour.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
};
const behind = element => {
  const layers = [];
  for (let at = element; at !== null; at = at.parentElement) layers.push(channels(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((back, front) => over(front, back), channels(getComputedStyle(document.body).backgroundColor));
};
const under_letters = text => {
  // The last shape drawn before that covers the middle of the letters.
  const box = text.getBoundingClientRect();
  const x = box.left + box.width / 2, y = box.top + box.height / 2;
  let colour = null;
  for (const shape of text.ownerSVGElement.querySelectorAll('rect')) {
    const area = shape.getBoundingClientRect();
    if (area.left <= x && x <= area.right && area.top <= y && y <= area.bottom) colour = getComputedStyle(shape).fill;
  }
  return colour === null ? behind(text) : channels(colour).slice(0, 3);
};
const low = [];
for (const element of document.body.querySelectorAll('*')) {
  const own = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data.trim()).join('');
  if (own === '' || ['SCRIPT', 'STYLE', 'TITLE', 'DESC', 'title', 'desc'].includes(element.tagName)) continue;
  if (!element.checkVisibility() || element.getClientRects().length === 0) continue;
  const style = getComputedStyle(element);
  const in_drawing = element.ownerSVGElement !== undefined && element.ownerSVGElement !== null;
  const back = in_drawing ? under_letters(element) : behind(element);
  const ratio = contrast(over(channels(in_drawing ? style.fill : style.color), back), back);
  if (ratio < 4.5) low.push(`${ratio.toFixed(2)} of ${element.tagName}.${element.getAttribute('class')} "${own.slice(0, 40)}"`);
}
return low;
"""

STRUCTURE = r"""
const wrong = [];
const name = element => `${element.tagName.toLowerCase()} "${element.textContent.trim().slice(0, 40)}"`;
if (document.documentElement.lang === '') wrong.push('no language');
if (document.title === '') wrong.push('no title');
if (document.querySelectorAll('h1').length !== 1) wrong.push('not one h1');
if (document.querySelectorAll('main').length !== 1) wrong.push('not one main');
let level = 0;
for (const heading of document.querySelectorAll('h1, h2, h3, h4')) {
  const next = Number(heading.tagName[1]);
  if (next > level + 1) wrong.push(`${name(heading)} skips a level`);
  level = next;
}
const ids = new Set();
for (const {id} of document.querySelectorAll('[id]')) {
  if (ids.has(id)) wrong.push(`id ${id} twice`);
  ids.add(id);
}
for (const svg of document.querySelectorAll('svg')) {
  if (svg.parentElement.closest('svg') !== null || svg.getAttribute('aria-hidden') === 'true') continue;
  const words = (svg.getAttribute('aria-labelledby') ?? '').split(' ').map(id => document.getElementById(id)?.textContent ?? '');
  if (svg.getAttribute('role') !== 'img') wrong.push('a drawing without a role');
  if (words.length < 2 || words.some(text => text === '')) wrong.push('a drawing without title and description');
  const behind = [...(svg.closest('section')?.querySelectorAll('table:not(.map)') ?? [])]
                     .some(table => svg.compareDocumentPosition(table) & Node.DOCUMENT_POSITION_FOLLOWING);
  if (!behind) wrong.push(`no table behind the drawing ${words[0]}`);
}
for (const map of document.querySelectorAll('table.map')) {
  const behind = [...map.closest('section').querySelectorAll('table:not(.map)')]
                     .some(table => map.compareDocumentPosition(table) & Node.DOCUMENT_POSITION_FOLLOWING);
  if (!behind) wrong.push(`no table behind the map ${map.caption?.textContent}`);
}
for (const table of document.querySelectorAll('table')) {
  if (!table.caption?.textContent.trim()) wrong.push('a table without a caption');
  for (const heading of table.querySelectorAll('th')) {
    if (!['row', 'col'].includes(heading.scope)) wrong.push(`${name(heading)} heads neither row nor column`);
  }
  for (const row of table.rows) {
    if (row.cells.length !== table.rows[0].cells.length) wrong.push(`a row of "${table.caption?.textContent}" has gaps`);
  }
  if (!table.matches('.map') && table.querySelector('button.csv') === null) {
    wrong.push(`no CSV of "${table.caption?.textContent}"`);
  }
}
return wrong;
"""

TABLES = r"""
return [...document.querySelectorAll('table:not(.map)')].map(table => ({
  button: table.querySelector('button.csv'),
  rows: [...table.rows].filter(row => !row.hidden).map(row => [...row.cells].map(cell => ({
    text: cell.innerText.trim(), number: cell.classList.contains('n'), exact: cell.querySelector('data')?.value ?? null}))),
}));
"""


def unfold(browser: Browser) -> None:
    browser.run("for (const fold of document.querySelectorAll('details')) fold.open = true;")


def fold(browser: Browser) -> None:
    browser.run("for (const fold of document.querySelectorAll('details')) fold.open = false;")


def network(browser: Browser, page: pathlib.Path) -> list[str]:
    """Since it was asked last. The page itself is all that may be read, and what it made itself saved."""
    wrong = []
    for entry in browser.log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] != "Network.requestWillBeSent":
            continue
        address = message["params"]["request"]["url"]
        if address != page.resolve().as_uri() and not address.startswith(("data:", "blob:", "about:")):
            wrong.append(f"asks for {address}")
    return wrong


def console(browser: Browser) -> list[str]:
    return [f"console: {entry['message']}" for entry in browser.log("browser")]


def widths(browser: Browser) -> list[str]:
    wrong = []
    for width in WIDTHS:
        browser.window(width)
        needed = browser.run("return document.scrollingElement.scrollWidth")
        if needed > width:
            wrong.append(f"{needed} pixels wide in a window of {width}")
        wrong += [f"letters leave their cell in a window of {width}: {text}" for text in browser.run(
            "return [...document.querySelectorAll('th, td')].filter(cell => cell.scrollWidth > cell.clientWidth + 1)"
            ".map(cell => cell.textContent.trim().slice(0, 40))")]
    return wrong


def contrast(browser: Browser) -> list[str]:
    wrong = []
    for scheme in SCHEMES:
        browser.media(scheme=scheme)
        found = browser.run(CONTRAST)
        wrong += [f"contrast in {scheme}: {line}" for line in dict.fromkeys(found)]
    browser.media()
    return wrong


def structure(browser: Browser) -> list[str]:
    wrong = browser.run(STRUCTURE)
    for node in browser.tell("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        named = node.get("name", {}).get("value", "").strip()
        if role in ("image", "img", "button", "link", "table", "region", "searchbox", "heading") and not named:
            if not node.get("ignored"):
                wrong.append(f"a screen reader has no name for a {role}")
    return wrong


def keyboard(browser: Browser) -> list[str]:
    """The tabulator comes to every control that can be seen, which shows where it is; a fold opens by Enter."""
    unfold(browser)
    count = browser.run("""
        window.missed = new Set([...document.querySelectorAll(arguments[0])].filter(one => one.checkVisibility()));
        window.unseen = [];
        addEventListener('focusin', event => {
          window.missed.delete(event.target);
          const style = getComputedStyle(event.target);
          if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) === 0) window.unseen.push(event.target.outerHTML.slice(0, 80));
        });
        document.activeElement?.blur();
        return window.missed.size;""", FOCUSABLE)
    for _ in range(0, count + 5, 50):
        browser.press(*[TAB] * 50)
    wrong = [f"the tabulator doesn't come to {one}" for one in browser.run(
        "return [...window.missed].map(one => one.outerHTML.slice(0, 80))")]
    wrong += [f"focus isn't seen on {one}" for one in dict.fromkeys(browser.run("return window.unseen"))]
    fold(browser)
    if browser.run("const fold = document.querySelector('summary'); fold?.focus(); return fold !== null;"):
        browser.press(ENTER)
        if not browser.run("return document.querySelector('details').open"):
            wrong.append("Enter doesn't open a fold")
    return wrong


def same_cell(cell: dict, saved: str) -> bool:
    if cell["exact"] is not None:
        return saved == cell["exact"]
    text = cell["text"].replace("\u00a0", " ").replace("\u200b", "").strip()
    number = re.fullmatch(r"([+\u2212-]?)([\d,]+(?:\.\d+)?)( [%×])?", text)
    if not cell["number"] or number is None:
        return saved == ("" if cell["number"] and text == "-" else text)
    sign = -1 if number[1] in ("-", "\u2212") else 1
    if number[3] == " %":
        saved, percent = saved.removesuffix("%"), saved.endswith("%")
        if not percent:
            return False
    return "," not in saved and float(saved) == sign * float(number[2].replace(",", ""))


def saved_tables(browser: Browser) -> list[str]:
    """A click saves what the table shows, read back by Python's own reader."""
    unfold(browser)
    wrong = []
    tables = browser.run(TABLES)
    for index in range(len(tables)):
        # Chromium asks its user, and headless saves nothing, when one page saves more than ten files.
        if index > 0 and index % 8 == 0:
            browser.reopen()
            unfold(browser)
            tables = browser.run(TABLES)
        table = tables[index]
        if table["button"] is None:
            continue  # which is said elsewhere
        browser.run("arguments[0].scrollIntoView({block: 'center'})", table["button"])
        browser.click(table["button"])
        name, content = browser.saved_file()
        if not name.endswith(".csv"):
            wrong.append(f"saved as {name}")
        saved = list(csv.reader(io.StringIO(content.decode(), newline="")))
        rows = table["rows"]
        rows[0][0]["text"] = rows[0][0]["text"].strip()
        for cell in rows[0]:  # what a heading has beside its words
            cell["text"], cell["number"] = cell["text"].removesuffix("↕").strip(), False
        kept = [i for i in range(len(rows[0])) if any(row[i]["text"] for row in rows)]
        if len(saved) != len(rows):
            wrong.append(f"{name}: {len(saved)} lines of {len(rows)} rows")
        for row, line in zip(rows, saved):
            if len(line) != len(kept) or not all(same_cell(row[i], text) for i, text in zip(kept, line)):
                wrong.append(f"{name}: {line} of {[row[i]['text'] for i in kept]}")
                break
    fold(browser)
    return wrong


def searching(browser: Browser) -> list[str]:
    """Of a table that is searched: rows are found by words, and sorted by their columns, by the keyboard."""
    wrong = []
    if not browser.run("return document.querySelector('.search input') !== null"):
        return wrong
    shown = "[...document.querySelectorAll('.searchable tbody tr')].filter(row => row.checkVisibility())"
    every = browser.run(f"return {shown}.length")
    browser.run("document.querySelector('.search input').focus()")
    browser.press(*"Walker")
    found = browser.run(f"return {shown}.map(row => row.textContent)")
    if not 0 < len(found) < every or not all("walker" in text.lower() for text in found):
        wrong.append(f"{len(found)} of {every} rows are found by 'Walker'")
    if str(len(found)) not in browser.run("return document.querySelector('.search output').textContent"):
        wrong.append("how many were found isn't said")
    wrong += saved_tables_of(browser, "table.searchable")
    browser.run("const field = document.querySelector('.search input'); field.value = '';"
                "field.dispatchEvent(new Event('input'))")
    column = "[...document.querySelectorAll('.searchable tbody tr')].map(row => parseFloat(row.cells[1].querySelector('data')?.value ?? 'NaN'))"
    browser.run("document.querySelectorAll('.searchable .sort')[1].focus()")
    for direction in ("descending", "ascending"):
        browser.press(ENTER)
        values = [value for value in browser.run(f"return {column}") if value is not None]
        if values != sorted(values, reverse=direction == "descending"):
            wrong.append(f"not sorted {direction}")
        if browser.run("return document.querySelectorAll('.searchable thead th')[1].ariaSort") != direction:
            wrong.append(f"{direction} isn't said")
    return wrong


def saved_tables_of(browser: Browser, table: str) -> list[str]:
    browser.run("for (const other of document.querySelectorAll(`table:not(.map):not(${arguments[0]})`)) other.classList.add('map');",
                table.removeprefix("table"))
    wrong = saved_tables(browser)
    browser.run("for (const other of document.querySelectorAll('table.map:has(button.csv)')) other.classList.remove('map');")
    return wrong


def paper(browser: Browser) -> list[str]:
    """All is printed, folded or not, and the folds are as they were afterwards."""
    fold(browser)
    wanted = browser.run("return [...document.querySelectorAll('caption, h2, tbody tr:last-child th')].map(one => "
                         "[...one.childNodes].filter(node => node.tagName !== 'BUTTON').map(node => node.textContent).join(''))")
    printed = browser.tell("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]
    text = subprocess.run(["pdftotext", "-", "-"], input=base64.b64decode(printed), capture_output=True, check=True).stdout
    letters = re.sub(r"\s", "", text.decode())
    wrong = [f"isn't printed: {line}" for line in wanted if re.sub(r"[\s\u200b]", "", line) not in letters]
    if browser.run("return document.querySelector('details[open]') !== null"):
        wrong.append("folds stay open after printing")
    if any(re.sub(r"\s", "", line) + "CSV" in letters for line in wanted):
        wrong.append("buttons are printed")
    return wrong


def with_folds_open(check):
    def look(browser: Browser) -> list[str]:
        unfold(browser)
        return check(browser)
    return look


CHECKS = {
    "structure": structure,
    "contrast": contrast,
    "contrast in folds": with_folds_open(contrast),
    "widths": widths,
    "widths of folds": with_folds_open(widths),
    "keyboard": keyboard,
    "searching": searching,
    "paper": paper,
    "saved tables": saved_tables,
}


def look_at(browser: Browser, page: pathlib.Path, checks=tuple(CHECKS)) -> list[str]:
    """What is wrong with `page`, after these checks and at last of what it asked for and complained about."""
    browser.log("browser"), browser.log("performance")
    wrong = []
    for check in checks:
        browser.media()
        browser.window(WIDTHS[0])
        browser.open(page)
        wrong += CHECKS[check](browser)
    return list(dict.fromkeys(wrong + console(browser) + network(browser, page)))
