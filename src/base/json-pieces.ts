/**
 * The text that JSON.stringify makes of plain data, in pieces of about so many characters. An element of an array, and what is
 * in an object within an object within an object, is in one piece.
 */
export function* jsonPieces(value: unknown, length: number): Generator<string, undefined> {
  let text = '';
  for (const part of parts(value, 2)) {
    text += part;
    if (text.length < length) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}

function* parts(value: unknown, depth: number): Generator<string, undefined> {
  if (Array.isArray(value)) {
    yield '[';
    for (let index = 0; index < value.length; index++) {
      // What JSON does not have is null in an array, and left out of an object.
      yield `${index > 0 ? ',' : ''}${JSON.stringify(value[index]) ?? 'null'}`;
    }
    yield ']';
  } else if (depth > 0 && typeof value === 'object' && value !== null) {
    yield '{';
    let isFirst = true;
    for (const [key, each] of Object.entries(value)) {
      if (each === undefined) continue;
      yield `${isFirst ? '' : ','}${JSON.stringify(key)}:`;
      isFirst = false;
      yield* parts(each, depth - 1);
    }
    yield '}';
  } else {
    yield JSON.stringify(value) ?? 'null';
  }
}
