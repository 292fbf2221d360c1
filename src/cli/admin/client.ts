import { type IncomingMessage, request } from 'node:http';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { controlSocketPath } from '../../admin/control-socket.ts';
import { accessProblem } from '../file-access.ts';

/** An object as the broker's HTTP API gives it. */
export type Item = { readonly [field: string]: unknown };

export interface Query {
  readonly [name: string]: string | undefined;
}

/** A response of the broker other than success; the message is its reason. */
class RefusedError extends Error {
  readonly code: string;

  constructor(code: string, reason: string) {
    super(reason);
    this.name = 'RefusedError';
    this.code = code;
  }
}

const CREATED = 201;

/** Talks to the broker that runs on a data directory, by its control socket. */
export class ControlClient {
  readonly #dataDirectory: string;

  constructor(dataDirectory: string) {
    this.#dataDirectory = dataDirectory;
  }

  /** `path` in segments, as they are: they are encoded here. */
  async list(path: readonly string[], query: Query = {}): Promise<readonly Item[]> {
    return (await this.#ask('GET', path, query)) as readonly Item[];
  }

  async get(path: readonly string[], query: Query = {}): Promise<Item> {
    return (await this.#ask('GET', path, query)) as Item;
  }

  /** Undefined if there is no such thing. */
  async find(path: readonly string[]): Promise<Item | undefined> {
    try {
      return await this.get(path);
    } catch (error) {
      if (error instanceof RefusedError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  /** Whether something was made by it, and was not there before. */
  async put(path: readonly string[], body: Item = {}): Promise<boolean> {
    return (await this.#answer('PUT', path, {}, body)).status === CREATED;
  }

  /** The body of the response, if it has one. */
  async post(path: readonly string[], body: Item = {}): Promise<unknown> {
    return await this.#ask('POST', path, {}, body);
  }

  /** The body of the response, if it has one. */
  async delete(path: readonly string[], query: Query = {}): Promise<unknown> {
    return await this.#ask('DELETE', path, query);
  }

  /** Never resolves; rejects when the broker ends. */
  async follow(path: readonly string[], query: Query, onLine: (line: Item) => void): Promise<void> {
    const answer = await this.#send('GET', path, query, null);
    if (answer.statusCode !== 200) throw refusal(await textOf(answer), answer.statusCode);
    try {
      for await (const line of createInterface(answer)) if (line !== '') onLine(JSON.parse(line));
    } catch (error) {
      throw this.#explain(error as NodeJS.ErrnoException, '');
    }
  }

  async #ask(
    method: string,
    path: readonly string[],
    query: Query,
    body: Item | null = null,
  ): Promise<unknown> {
    const { text } = await this.#answer(method, path, query, body);
    return text === '' ? null : JSON.parse(text);
  }

  async #answer(
    method: string,
    path: readonly string[],
    query: Query,
    body: Item | null,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const answer = await this.#send(method, path, query, body);
    const text = await textOf(answer);
    const { statusCode: status = 500 } = answer;
    if (status >= 300) throw refusal(text, status);
    return { status, text };
  }

  async #send(
    method: string,
    path: readonly string[],
    query: Query,
    body: Item | null,
  ): Promise<IncomingMessage> {
    const socketPath = await this.#socketPath();
    const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const search = given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
    const url = `/api/${path.map(encodeURIComponent).join('/')}${search}`;
    const { promise, resolve: answered, reject } = Promise.withResolvers<IncomingMessage>();
    const asked = request({ socketPath, method, path: url, agent: false }, answered);
    asked.once('error', (error) => reject(this.#explain(error, socketPath)));
    asked.end(body === null ? undefined : JSON.stringify(body));
    return await promise;
  }

  async #socketPath(): Promise<string> {
    try {
      return await controlSocketPath(this.#dataDirectory);
    } catch (error) {
      const { path } = error as NodeJS.ErrnoException;
      throw this.#explain(error as NodeJS.ErrnoException, path ?? this.#dataDirectory);
    }
  }

  #explain(error: NodeJS.ErrnoException, socketPath: string): Error {
    const directory = resolve(this.#dataDirectory);
    const problem = accessProblem(socketPath);
    switch (error.code) {
      case 'ENOENT':
      case 'ECONNREFUSED':
      case 'ENOTDIR':
      case 'EINVAL':
        return new Error(
          `no broker runs on the data directory '${directory}'; ` +
            'start one with `sluice start`, or name the directory of one that runs with --data-dir',
          { cause: error },
        );
      case 'EACCES':
      case 'EPERM':
        return new Error(
          `no permission to use '${socketPath}': only the user whom the broker runs as may administer it here` +
            (problem === null ? '' : ` (${problem})`),
          { cause: error },
        );
      case 'ECONNRESET':
      case 'EPIPE':
        return new Error(`the broker on '${directory}' ended meanwhile`, { cause: error });
      default:
        return error.path === undefined ? Object.assign(error, { path: socketPath }) : error;
    }
  }
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function refusal(text: string, status = 500): Error {
  try {
    const { error, reason } = JSON.parse(text) as { error: string; reason: string };
    return new RefusedError(error, reason);
  } catch {
    return new Error(`the broker answered with status ${status}: ${text.slice(0, 200)}`);
  }
}
