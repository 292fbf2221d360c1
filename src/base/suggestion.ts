/** Single-letter changes (insert, delete, replace, or swap two neighbours) that turn one word into the other. */
function editDistance(from: string, to: string): number {
  let beforeLast: readonly number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = previous[column - 1] + (from[row - 1] === to[column - 1] ? 0 : 1);
      let best = Math.min(replaced, previous[column] + 1, current[column - 1] + 1);
      const isSwap = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (row > 1 && column > 1 && isSwap) best = Math.min(best, beforeLast[column - 2] + 1);
      current.push(best);
    }
    beforeLast = previous;
    previous = current;
  }
  return previous[to.length];
}

/** The known word that was most likely meant, or undefined if none is near: at most a third of the letters differ. */
function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** ` (did you mean 'x'?)`, or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  return suggestion(likelyMeant(word, known));
}

/** ` (did you mean 'x' or 'y'?)`, or nothing. */
export function suggestion(words: readonly string[]): string {
  if (words.length === 0) return '';
  const quoted = words.map((word) => `'${word}'`);
  const last = quoted.pop();
  return ` (did you mean ${quoted.length === 0 ? last : `${quoted.join(', ')} or ${last}`}?)`;
}

/**
 * The known words that may have been meant: the nearest by spelling, else those of which the word is a whole part
 * (`port`: `amqp-port`, `kafka-port`), three at most, in the order of `known`.
 */
export function likelyMeant(word: string, known: readonly string[]): readonly string[] {
  const plain = word.toLowerCase().replaceAll(/[_.]/g, '-');
  const containing = known.filter((each) => each.toLowerCase().split('-').includes(plain));
  if (containing.length > 0) return containing.slice(0, 3);
  const near = nearest(plain, known);
  return near === undefined ? [] : [near];
}
