import type { Socket } from 'node:net';
import type { Table } from '../../../base/value.ts';
import type { Identity } from '../../../broker/access/access.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { AnyQueue } from '../../../broker/queues/any-queue.ts';
import type { VirtualHost } from '../../../broker/topology/virtual-host.ts';
import type { FrameReader } from '../../../wire/amqp091/frames.ts';
import type { Peer } from '../../listener/peer.ts';
import type { HandleMethod } from '../channel-context.ts';
import type { Settings } from '../options.ts';
import type { ClientCapabilities } from './capabilities.ts';
import type { Output, SlabPool } from './output.ts';
import type { StartFrame } from './start-frame.ts';
import type { Tuning } from './tune.ts';

/** As RabbitMQ names the protocol of a connection. */
export const PROTOCOL_NAME = 'AMQP 0-9-1';

/** What all connections of one server share. */
export interface ServerContext {
  readonly broker: Broker;
  readonly settings: Settings;
  readonly slabs: SlabPool;
  readonly startFrame: StartFrame;
  readonly handleMethod: HandleMethod;
}

/** From connection.start-ok (AMQP 1.4.2.2). */
export interface ClientDescription {
  readonly properties: Table;
  /** SASL mechanism: 'PLAIN'. */
  readonly mechanism: string;
}

/** A connection after connection.open-ok: an authenticated user in a virtual host, and the limits of tune-ok. */
export interface HandshakeResult {
  readonly socket: Socket;
  readonly peer: Peer;
  readonly reader: FrameReader;
  readonly output: Output;
  readonly identity: Identity;
  readonly vhost: VirtualHost<AnyQueue>;
  readonly tuning: Tuning;
  readonly capabilities: ClientCapabilities;
  readonly client: ClientDescription;
}
