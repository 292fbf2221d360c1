/**
 * Characters that do something to a terminal or to how a line reads instead of being seen: control characters, escape
 * sequences with them; what changes the direction of text (U+202E) or has no width (U+200B), by which one name looks like
 * another; line and paragraph separators; halves of surrogate pairs. Names are whatever clients choose.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const UNPRINTABLE_BUT_LINES = /[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]|(?!\n)\p{Cc}/gu;

/** For one line of a terminal: `\x1b`, `\u202e`, `\u{e0001}` in their place. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** The same for several lines, which stay lines. */
export function printableLines(text: string): string {
  return text.replace(UNPRINTABLE_BUT_LINES, escaped);
}

/** JSON that means the same, and has none of them: JSON itself escapes only those below U+0020. Line ends stay. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE_BUT_LINES, (character) => {
    let units = '';
    for (let i = 0; i < character.length; i++) {
      units += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
    }
    return units;
  });
}

function escaped(character: string): string {
  const code = character.codePointAt(0) as number;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`;
}
