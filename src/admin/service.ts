import type { IncomingMessage, ServerResponse } from 'node:http';
import { routes } from './api/routes.ts';
import type { AdminContext } from './context.ts';
import { HttpError, httpErrorOf } from './http-error.ts';
import { writeList } from './list-writer.ts';
import { ApiRequest, readBody } from './request.ts';
import type { ApiResponse, LineStream } from './response.ts';
import { Router } from './router.ts';

/** The most that is buffered of event lines for a client that reads slowly; lines beyond are dropped. */
const LINES_BYTES_MAX = 1024 * 1024;

/**
 * The administration of a broker over HTTP, with the paths and the fields of RabbitMQ's. Who may ask is decided by
 * who listens: on the control socket the file's permissions.
 */
export class AdminService {
  readonly #context: AdminContext;
  readonly #router = new Router(routes);

  constructor(context: AdminContext) {
    this.#context = context;
  }

  /** For `node:http`'s 'request' event. */
  readonly handle = (message: IncomingMessage, response: ServerResponse): void => {
    this.#answer(message)
      .then((answer) => this.#send(response, answer))
      .catch((error: unknown) => this.#refuse(message, response, error));
  };

  async #answer(message: IncomingMessage): Promise<ApiResponse> {
    // Not by URL, which would take `..` for a way upwards: here it is a name like any other.
    const [path = '/', search = ''] = (message.url ?? '/').split('?', 2);
    const query = new URLSearchParams(search);
    const { route, parameters } = this.#router.find(message.method ?? 'GET', path);
    const body = await readBody(message);
    // RabbitMQ's way to say why a connection is closed.
    const { 'x-reason': reason } = message.headers;
    if (typeof reason === 'string') query.set('reason', reason);
    const { actor, broker } = this.#context;
    const request = new ApiRequest(parameters, query, body);
    return await broker.events.as(actor, () => route.handle(this.#context, request));
  }

  async #send(response: ServerResponse, answer: ApiResponse): Promise<void> {
    if (answer.kind !== 'list') {
      send(response, answer);
      return;
    }
    response.setHeader('content-type', 'application/json');
    await writeList(response, answer.items, this.#context.broker.shard.turnTime);
  }

  #refuse(message: IncomingMessage, response: ServerResponse, error: unknown): void {
    let refusal = httpErrorOf(error);
    if (refusal === null) {
      this.#context.log.error({ err: error, url: message.url }, 'a request of an administrator failed');
      refusal = new HttpError(500, 'internal_error', 'an internal error, see the log of the broker');
    }
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // What of the body was not read is not waited for.
    response.setHeader('connection', 'close');
    const body = { error: refusal.code, reason: refusal.message };
    send(response, { kind: 'json', status: refusal.status, body });
  }
}

function send(response: ServerResponse, answer: Exclude<ApiResponse, { kind: 'list' }>): void {
  if (answer.kind === 'lines') {
    sendLines(response, answer.lines);
    return;
  }
  response.statusCode = answer.status;
  if (answer.kind === 'empty') {
    response.end();
    return;
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answer.body));
}

function sendLines(response: ServerResponse, lines: LineStream): void {
  response.setHeader('content-type', 'application/x-ndjson');
  // The client learns that it is heard before there is anything to tell.
  response.flushHeaders();
  const stop = lines.start((line) => {
    if (response.writableLength > LINES_BYTES_MAX) return false;
    response.write(`${JSON.stringify(line)}\n`);
    return true;
  });
  // The client may have gone before there was anything to stop.
  if (response.destroyed) stop();
  else response.once('close', stop);
}
