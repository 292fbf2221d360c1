import { printable } from '../../base/printable.ts';
import type { Item } from './client.ts';

/**
 * Items as a table for people: a line of headings, then a line for each, the columns aligned.
 *
 *     NAME    MESSAGES_READY
 *     orders              17
 */
export function renderTable(items: readonly Item[], columns: readonly string[]): string {
  const values = items.map((item) => columns.map((column) => fieldOf(item, column)));
  const rows = [
    columns.map((column) => printable(column.toUpperCase())),
    ...values.map((row) => row.map(cellText)),
  ];
  const widths = columns.map((_, at) => rows.reduce((widest, row) => Math.max(widest, widthOf(row[at])), 0));
  const isNumeric = columns.map((_, at) => areNumbers(values.map((row) => row[at])));
  return rows
    .map((row) => {
      const cells = row.map((cell, at) => {
        const padding = ' '.repeat(widths[at] - widthOf(cell));
        return isNumeric[at] ? padding + cell : cell + padding;
      });
      return `${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}

/** `ledger.routed` is the field `routed` of the object in the field `ledger`. A field of that very name comes first. */
export function fieldOf(item: Item, path: string): unknown {
  if (Object.hasOwn(item, path)) return item[path];
  let value: unknown = item;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Item)[name];
  }
  return value;
}

/** One line, in which nothing does anything to the terminal. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(3);
  if (typeof value === 'object') {
    if (Object.keys(value).length === 0) return '-';
    const isWords = Array.isArray(value) && value.every((each) => typeof each === 'string');
    return printable(isWords ? value.join(',') : JSON.stringify(value));
  }
  // An empty pattern, or the name of the default exchange, must not look like nothing.
  return value === '' ? "''" : printable(String(value));
}

function widthOf(text: string): number {
  return [...text].length;
}

function areNumbers(values: readonly unknown[]): boolean {
  const present = values.filter((value) => value !== null && value !== undefined);
  return present.length > 0 && present.every((value) => typeof value === 'number');
}
