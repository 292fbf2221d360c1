import type { ServerResponse } from 'node:http';
import type { TurnTime } from '../base/turn-time.ts';
import type { Items } from './response.ts';

/** Characters that are written at once. */
const PIECE_LENGTH = 64 * 1024;

const OWNER = { protocol: 'HTTP', request: 'list', user: 'administrator' };

/**
 * Writes the items as one JSON array, as fast as the client reads, and in slices of the event loop: a hundred thousand queues
 * take seconds. What is short leaves whole.
 */
export async function writeList(response: ServerResponse, items: Items, time: TurnTime): Promise<void> {
  let text = '';
  let separator = '[';
  const pages = Symbol.asyncIterator in items ? items : [items];
  for await (const page of pages) {
    for (const item of page) {
      text += separator + JSON.stringify(item);
      separator = ',';
      if (text.length >= PIECE_LENGTH) {
        if (!response.write(text)) await drained(response);
        text = '';
      }
      if (response.destroyed) return;
      if (time.isOver) await time.next(OWNER);
    }
  }
  response.end(separator === '[' ? '[]' : `${text}]`);
}

/** Resolves when the client has read what was written, or is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
