import type { Json } from '../base/value-json.ts';

/** Lines that come as long as the client listens, one JSON value each (NDJSON). */
export interface LineStream {
  /** Begins; returns a function that ends it. `write` is false while the client does not keep up: such a line is lost. */
  start(write: (line: Json) => boolean): () => void;
}

/** What is listed; where some of it has to be waited for, in pages. */
export type Items = Iterable<Json> | AsyncIterable<Iterable<Json>>;

export type ApiResponse =
  | { readonly kind: 'json'; readonly status: number; readonly body: Json }
  | { readonly kind: 'list'; readonly items: Items }
  | { readonly kind: 'empty'; readonly status: number }
  | { readonly kind: 'lines'; readonly lines: LineStream };

export function ok(body: Json): ApiResponse {
  return { kind: 'json', status: 200, body };
}

/** An array that may be long: its items are asked for and written one by one, while others go on. */
export function list(items: Items): ApiResponse {
  return { kind: 'list', items };
}

export function created(): ApiResponse {
  return { kind: 'empty', status: 201 };
}

/** 204: done, without a body. */
export function done(): ApiResponse {
  return { kind: 'empty', status: 204 };
}
