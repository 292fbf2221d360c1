import { withoutText } from './source-text.ts';

/**
 * Calls with a spread argument: `f(...values)`. Each value becomes an argument on the stack, and some hundred thousand of them
 * end the process. Spreads in arrays and objects are not meant, nor rest parameters, which are as few as their callers write
 * down: they may be handed on.
 */
export function argumentSpreads(source: string): { readonly line: number; readonly text: string }[] {
  const code = withoutText(source);
  const rest = new Set(
    Array.from(code.matchAll(/[(,]\s*\.\.\.(\w+)\s*(?::|\)\s*(?::[^=]*)?=>)/g), ([, name]) => name),
  );
  const found: { readonly line: number; readonly text: string }[] = [];
  for (let at = code.indexOf('...'); at >= 0; at = code.indexOf('...', at + 3)) {
    const open = opening(code, at);
    // What stands before the bracket of a call is a name, or the end of an expression.
    if (code[open] !== '(' || !/[\w$)\]>]/.test(code[open - 1] ?? '')) continue;
    const [, name, after] = /^\.\.\.([\w$]+)?\s*(.?)/.exec(code.slice(at, at + 200)) ?? [];
    if (after === ':') continue;
    if (name !== undefined && rest.has(name) && /[,)]/.test(after)) continue;
    found.push({
      line: code.slice(0, at).split('\n').length,
      text: source.slice(at, at + 60).split('\n')[0],
    });
  }
  return found;
}

/** The bracket that the position is directly in; -1 for none. */
function opening(code: string, position: number): number {
  let depth = 0;
  for (let at = position - 1; at >= 0; at--) {
    if (')]}'.includes(code[at])) depth++;
    else if ('([{'.includes(code[at]) && depth-- === 0) return at;
  }
  return -1;
}
