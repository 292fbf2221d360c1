import type { IncomingMessage } from 'node:http';
import type { Table, Value } from '../base/value.ts';
import { badRequest, HttpError } from './http-error.ts';

/** Definitions of policies and arguments are small; whoever sends more is mistaken, or means harm. */
export const BODY_BYTES_MAX = 1024 * 1024;

/** A request as the handlers see it: checked only as far as its form goes. */
export class ApiRequest {
  readonly #parameters: ReadonlyMap<string, string>;
  readonly query: URLSearchParams;
  readonly #body: Table;

  constructor(parameters: ReadonlyMap<string, string>, query: URLSearchParams, body: Table) {
    this.#parameters = parameters;
    this.query = query;
    this.#body = body;
  }

  /** A segment of the path. */
  parameter(name: string): string {
    return this.#parameters.get(name) ?? '';
  }

  has(field: string): boolean {
    return Object.hasOwn(this.#body, field) && this.#body[field] !== null;
  }

  /** A field of the body. @throws HttpError 400, also if it is not there and there is no `otherwise` */
  string(field: string, otherwise?: string): string {
    return this.#field(field, otherwise, 'a string', (value) => typeof value === 'string');
  }

  integer(field: string, otherwise?: number): number {
    return this.#field(field, otherwise, 'a whole number', Number.isSafeInteger);
  }

  boolean(field: string, otherwise?: boolean): boolean {
    return this.#field(field, otherwise, 'true or false', (value) => typeof value === 'boolean');
  }

  table(field: string, otherwise?: Table): Table {
    return this.#field(field, otherwise, 'an object', isTable);
  }

  /** Words separated by commas, or an array of strings, as RabbitMQ takes tags. */
  words(field: string): string[] {
    const value = this.#body[field];
    if (typeof value === 'string') {
      return value
        .split(',')
        .map((word) => word.trim())
        .filter((word) => word !== '');
    }
    if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return [...value];
    throw badRequest(`'${field}' has to be words separated by commas, or an array of them`);
  }

  /** `?if-unused=true`; also without a value. */
  flag(name: string): boolean {
    const value = this.query.get(name);
    return value === '' || value === 'true';
  }

  #field<T>(field: string, otherwise: T | undefined, type: string, fits: (value: unknown) => boolean): T {
    const value = this.#body[field] ?? otherwise;
    if (value === undefined) throw badRequest(`the body lacks '${field}', which has to be ${type}`);
    if (!fits(value)) throw badRequest(`'${field}' has to be ${type}`);
    return value as T;
  }
}

/** The body, an object; none counts as an empty one. @throws HttpError 400, 413 */
export async function readBody(message: IncomingMessage): Promise<Table> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) {
      throw new HttpError(413, 'payload_too_large', `a body may have ${BODY_BYTES_MAX} bytes at most`);
    }
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  if (text.trim() === '') return {};
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw badRequest(`the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isTable(body)) throw badRequest('the body has to be a JSON object');
  return body;
}

function isTable(value: unknown): value is { readonly [key: string]: Value } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
