import type { Expression } from './linear-expression.ts';

/** `^`, text in which only escaped signs are special, `.*`, `$`: all but the text may be missing. */
const PLAIN = /^(\^?)((?:[^\\^$.*+?()[\]{}|]|\\[.\-_/^$*+?()[\]{}|\\])*)(\.\*)?(\$?)$/u;

/**
 * Most patterns are these, such as `.*`, `^orders\.` and `^orders$`: no engine has to be loaded for them. Null for what
 * needs one. `isWhole`: the text has to match as a whole.
 */
export function plainExpression(source: string, isWhole: boolean): Expression | null {
  if (source === '') return plain((text) => text === '');
  const found = PLAIN.exec(source);
  if (found === null) return null;
  const [, start, escaped, any = '', end] = found;
  const name = escaped.replace(/\\(.)/gu, '$1');
  const isFromStart = isWhole || start !== '';
  const isToEnd = isWhole || end !== '';
  if (any === '' && isFromStart && isToEnd) return plain((text) => text === name);
  if (any === '' && isToEnd) return plain((text) => text.endsWith(name));
  if (!isToEnd || name === '') {
    if (!isToEnd) return plain(isFromStart ? (text) => text.startsWith(name) : (text) => text.includes(name));
    // The dot stands for no line feed.
    return isFromStart ? plain((text) => !text.includes('\n')) : plain(() => true);
  }
  if (!isFromStart) return null;
  return plain((text) => text.startsWith(name) && !text.includes('\n', name.length));
}

function plain(test: (text: string) => boolean): Expression {
  return { isPlain: true, test };
}
