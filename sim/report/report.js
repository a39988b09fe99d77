'use strict';
// What a page can do beyond being read: save a table, find and sort rows, print what is folded.
// Without scripts everything is there all the same. No ampersand and no less-than sign may stand
// here, for a report is well-formed XML too.
(() => {
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
  const rows_of = table => [...table.tBodies].flatMap(body => [...body.rows]);
  const is_shown = row => !row.hidden;

  // As a spreadsheet or a script reads it: numbers without commas and signs for people.
  const plain = cell => {
    const exact = cell.querySelector('data');
    if (exact !== null) return exact.value;
    // Words that stand in a drawing are for a pointer that rests on it.
    const copy = cell.cloneNode(true);
    for (const drawing of copy.querySelectorAll('svg')) drawing.remove();
    const text = copy.textContent.replace(/\u00a0/g, ' ').replace(/\u200b/g, '').trim();
    if (!cell.classList.contains('n')) return text;
    if (text === '-') return '';
    if (!/^[+\u2212-]?[\d,]+(\.\d+)?( [%×])?$/.test(text)) return text;
    return text.replace(/,/g, '').replace('\u2212', '-').replace(/^\+/, '').replace(/ ×$/, '')
        .replace(/ %$/, '%');
  };
  const quoted = text => /[",\r\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  const csv_of = table => {
    const rows = [...table.tHead.rows, ...rows_of(table).filter(is_shown)]
                     .map(row => [...row.cells].map(plain));
    // A column of drawings has no text.
    const kept = rows[0].map((_, column) => rows.some(row => row[column] !== ''));
    return rows.map(row => row.filter((_, column) => kept[column]).map(quoted).join(',') + '\n')
        .join('');
  };
  const file_name = text =>
      text.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, 80) + '.csv';
  const save = (name, text) => {
    const link = make('a', {
      href: URL.createObjectURL(new Blob([text], {type: 'text/csv'})),
      download: name,
    });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const offer_csv = (table, caption) => {
    const button = make('button', {type: 'button', className: 'csv', textContent: 'CSV'});
    button.setAttribute('aria-label', 'Save as CSV: ' + caption);
    button.title = 'Save this table as CSV';
    button.addEventListener('click', () => save(file_name(caption), csv_of(table)));
    table.setAttribute('aria-label', caption);
    table.caption.append(' ', button);
  };

  const offer_search = (table, caption) => {
    const count = rows_of(table).length;
    const field = make('input', {type: 'search', placeholder: 'walker', autocomplete: 'off'});
    const label = make('label', {textContent: 'Rows with '});
    label.append(field);
    const found = make('output', {textContent: count + ' rows'});
    field.addEventListener('input', () => {
      const words = field.value.toLowerCase().split(/\s+/);
      for (const row of rows_of(table)) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every(word => text.includes(word));
      }
      const shown = rows_of(table).filter(is_shown).length;
      found.textContent = shown === count ? count + ' rows' : shown + ' of ' + count + ' rows';
    });
    const bar = make('p', {className: 'search'});
    bar.setAttribute('role', 'search');
    bar.setAttribute('aria-label', caption);
    bar.append(label, ' ', found);
    table.closest('.scroll').before(bar);
  };

  const number = cell => {
    const value = parseFloat(plain(cell));
    return Number.isNaN(value) ? -Infinity : value;
  };
  const by = (column, numeric, direction) => (one, other) => {
    const a = one.cells[column];
    const b = other.cells[column];
    if (!numeric) return direction * a.textContent.localeCompare(b.textContent);
    return direction * (Math.abs(number(a)) - Math.abs(number(b))) || 0;
  };
  const offer_sorting = table => {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const numeric = heading.classList.contains('n');
      const button = make('button', {type: 'button', className: 'sort'});
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener('click', () => {
        const was = heading.getAttribute('aria-sort');
        for (const other of headings) other.removeAttribute('aria-sort');
        // The largest number first, or the first letter; the other way around the next time.
        const down = numeric ? was !== 'descending' : was === 'ascending';
        heading.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        const rows = rows_of(table).sort(by(column, numeric, down ? -1 : 1));
        table.tBodies[0].append(...rows);
      });
    });
  };

  for (const table of document.querySelectorAll('table:not(.map)')) {
    const caption = table.caption.textContent;
    offer_csv(table, caption);
    if (!table.classList.contains('searchable')) continue;
    offer_search(table, caption);
    offer_sorting(table);
  }

  // Paper has no folds.
  let opened = [];
  addEventListener('beforeprint', () => {
    opened = [...document.querySelectorAll('details:not([open])')];
    for (const fold of opened) fold.open = true;
  });
  addEventListener('afterprint', () => {
    for (const fold of opened) fold.open = false;
  });
})();
