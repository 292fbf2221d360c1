import { ControlSocket } from '../../src/admin/control-socket.ts';
import type { BrokerOptions } from '../../src/broker/broker.ts';
import { AmqpServer } from '../../src/servers/amqp091/server.ts';
import { TestShards } from '../broker/shards/test-shards.ts';
import { type Answer, ask, serviceOf } from './test-admin.ts';

/** Three shards, each with a listener for AMQP; the control socket is that of shard 0, and each has another one for comparison. */
export class ShardsAdmin {
  readonly shards: TestShards;
  #servers: AmqpServer[] = [];
  #sockets: ControlSocket[] = [];

  private constructor(shards: TestShards) {
    this.shards = shards;
  }

  static async start(options: Partial<BrokerOptions> = {}): Promise<ShardsAdmin> {
    const admin = new ShardsAdmin(await TestShards.start(3, options));
    for (const [number, broker] of admin.shards.brokers.entries()) {
      const directory = admin.shards.directoryOf(number);
      admin.#sockets.push(await ControlSocket.listen(directory, async () => serviceOf(broker).handle));
      const server = await AmqpServer.listen(broker, { host: '127.0.0.1', port: 0, closeTimeoutMs: 500 });
      admin.#servers.push(server);
    }
    return admin;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server.close();
    for (const socket of this.#sockets) await socket.close();
    await this.shards[Symbol.asyncDispose]();
  }

  get socketPath(): string {
    return this.#sockets[0].path;
  }

  urlOf(shard: number, user = 'guest:guest', vhost = ''): string {
    return `amqp://${user}@127.0.0.1:${this.#servers[shard].port}${vhost}`;
  }

  ask(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.askOf(0, method, path, body);
  }

  askOf(shard: number, method: string, path: string, body?: unknown): Promise<Answer> {
    return ask(this.#sockets[shard].path, method, path, body === undefined ? '' : JSON.stringify(body));
  }
}
