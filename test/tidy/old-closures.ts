import { withoutText } from './source-text.ts';

/** A function that is written where it is assigned to a field, or to an element of an array. */
const ASSIGNED =
  /(?:\.#?[\w$]+|\])\s*(?:\?\?|\|\||&&)?=\s*(?:async\s*)?(?:\((?:[^()]|\([^()]*\))*\)\s*(?::[^=;{]+)?=>|[\w$]+\s*=>|function\b)/g;

/**
 * Closures that V8 makes in its old generation: those that are assigned to a field where they are written, as they are mostly
 * methods of a prototype. Whatever such a closure has seen lives until the next full collection: with one for each
 * connection, all of a connection. Not meant are initializers of fields, and functions in object literals, which V8 makes in
 * the young generation; so it does with a function that is a constant first.
 */
export function oldClosures(source: string): { readonly line: number; readonly text: string }[] {
  const code = withoutText(source);
  return Array.from(code.matchAll(ASSIGNED), ({ index }) => ({
    line: code.slice(0, index).split('\n').length,
    text: source.slice(index, index + 60).split('\n')[0],
  }));
}
