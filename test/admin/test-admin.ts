import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlSocket } from '../../src/admin/control-socket.ts';
import { AdminService } from '../../src/admin/service.ts';
import { Broker, type BrokerOptions } from '../../src/broker/broker.ts';
import { amqp091Codec } from '../../src/servers/amqp091/property-codec.ts';
import { AmqpServer } from '../../src/servers/amqp091/server.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Whatever the API answers: the tests look into it. */
export interface Fields {
  readonly [field: string]: Fields;
}

export interface Answer {
  readonly status: number;
  readonly body: Fields;
  /** The body of a list. */
  readonly items: readonly Fields[];
}

/** A broker with a listener for AMQP and its control socket. */
export class TestAdmin {
  readonly broker: Broker;
  readonly socket: ControlSocket;
  readonly server: AmqpServer;
  readonly #directory: string;

  private constructor(broker: Broker, socket: ControlSocket, server: AmqpServer, directory: string) {
    this.broker = broker;
    this.socket = socket;
    this.server = server;
    this.#directory = directory;
  }

  static async start(options: Partial<BrokerOptions> = {}): Promise<TestAdmin> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-admin-'));
    const dataDirectory = join(directory, 'data');
    const broker = await Broker.open({ dataDirectory, propertyCodecs: [amqp091Codec], ...options });
    const socket = await ControlSocket.listen(dataDirectory, async () => serviceOf(broker).handle);
    const server = await AmqpServer.listen(broker, { host: '127.0.0.1', port: 0, closeTimeoutMs: 500 });
    return new TestAdmin(broker, socket, server, directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.socket.close();
    await this.broker.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  ask(method: string, path: string, body?: unknown): Promise<Answer> {
    return ask(this.socket.path, method, path, body === undefined ? '' : JSON.stringify(body));
  }

  askRaw(method: string, path: string, body: string): Promise<Answer> {
    return ask(this.socket.path, method, path, body);
  }
}

export function serviceOf(broker: Broker): AdminService {
  return new AdminService({ broker, version: '1.2.3', startedAtMs: 0, actor: 'tester', log: silent });
}

export async function ask(socketPath: string, method: string, path: string, body = ''): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const asked = request({ socketPath, method, path, agent: false }, (answer) => {
    textOf(answer).then((text) => resolve(answerOf(answer.statusCode ?? 0, text)), reject);
  });
  asked.on('error', reject);
  asked.end(body);
  return await promise;
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk;
  return text;
}

function answerOf(status: number, text: string): Answer {
  const body: unknown = text === '' ? null : JSON.parse(text);
  return { status, body: body as Fields, items: Array.isArray(body) ? (body as Fields[]) : [] };
}
