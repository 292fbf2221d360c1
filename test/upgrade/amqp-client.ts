import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import type { Broker } from './broker.ts';

export interface Login {
  readonly vhost: string;
  readonly username: string;
  readonly password: string;
}

export const GUEST: Login = { vhost: '/', username: 'guest', password: 'guest' };

/** A connection with one channel. That it breaks off when the broker ends is no error. */
export class AmqpClient {
  readonly #connection: ChannelModel;
  readonly channel: ConfirmChannel;

  private constructor(connection: ChannelModel, channel: ConfirmChannel) {
    this.#connection = connection;
    this.channel = channel;
  }

  static async open(broker: Broker, login = GUEST): Promise<AmqpClient> {
    const connection = await connect({ hostname: '127.0.0.1', port: broker.port('amqp'), ...login });
    connection.on('error', () => undefined);
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    return new AmqpClient(connection, channel);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}
