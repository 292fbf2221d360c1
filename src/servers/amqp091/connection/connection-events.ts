import type { Table } from '../../../base/value.ts';
import type { Events } from '../../../broker/events/events.ts';
import { nodeName } from '../../../broker/events/node-name.ts';
import type { ChannelContext, ConsumerDescription } from '../channel-context.ts';
import type { AmqpConnectionInfo } from './connection-info.ts';

/**
 * The events of a connection, its channels and consumers, with the names and fields of RabbitMQ's event exchange. In
 * place of an Erlang process, `pid` is the id of the connection, or `<connection id>.<channel number>`.
 */
export class ConnectionEvents {
  readonly #info: AmqpConnectionInfo;
  readonly #events: Events;

  constructor(info: AmqpConnectionInfo, events: Events) {
    this.#info = info;
    this.#events = events;
  }

  connectionCreated(): void {
    const { peer, local, tls, ...info } = this.#info.describe();
    this.#events.emit('connection.created', {
      pid: String(info.id),
      name: info.name,
      node: nodeName,
      type: 'network',
      protocol: info.protocol,
      auth_mechanism: info.authMechanism,
      user: info.user,
      vhost: info.vhost,
      host: local.host,
      port: local.port,
      peer_host: peer.host,
      peer_port: peer.port,
      ssl: tls !== null,
      ssl_protocol: tls?.version ?? '',
      ssl_cipher: tls?.cipher ?? '',
      peer_cert_subject: tls?.peerSubject ?? '',
      timeout: info.heartbeatSeconds,
      frame_max: info.frameMaxBytes,
      channel_max: info.channelMax,
      client_properties: info.clientProperties,
      connected_at: info.connectedAtMs,
      user_who_performed_action: info.user,
    });
  }

  connectionClosed(): void {
    const { id, name, user, vhost } = this.#info;
    this.#emit('connection.closed', { pid: String(id), name, node: nodeName, user, vhost });
  }

  channelCreated(channel: ChannelContext): void {
    const { id, name, user, vhost } = this.#info;
    this.#emit('channel.created', {
      pid: this.#channelId(channel),
      name: this.#info.channelName(channel),
      connection: String(id),
      connection_name: name,
      number: channel.number,
      user,
      vhost,
    });
  }

  channelClosed(channel: ChannelContext): void {
    this.#emit('channel.closed', {
      pid: this.#channelId(channel),
      name: this.#info.channelName(channel),
    });
  }

  consumerCreated(
    channel: ChannelContext,
    { tag, queue, noAck, exclusive, prefetch, arguments: args }: ConsumerDescription,
  ): void {
    this.#emit('consumer.created', {
      consumer_tag: tag,
      exclusive,
      ack_required: !noAck,
      channel: this.#channelId(channel),
      queue: queue.name,
      vhost: queue.vhost,
      prefetch_count: prefetch,
      arguments: args,
    });
  }

  consumerDeleted(channel: ChannelContext, { tag, queue }: ConsumerDescription): void {
    this.#emit('consumer.deleted', {
      consumer_tag: tag,
      channel: this.#channelId(channel),
      queue: queue.name,
      vhost: queue.vhost,
    });
  }

  #channelId(channel: ChannelContext): string {
    return `${this.#info.id}.${channel.number}`;
  }

  #emit(name: string, fields: { readonly [field: string]: string | number | boolean | Table }): void {
    this.#events.emit(name, { ...fields, user_who_performed_action: this.#info.user });
  }
}
