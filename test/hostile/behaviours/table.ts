import type { Behaviour } from '../behaviour.ts';
import { AMQP_BEHAVIOURS } from './amqp.ts';
import { AMQP_MESSAGE_BEHAVIOURS } from './amqp-messages.ts';
import { AMQP_TOPOLOGY_BEHAVIOURS } from './amqp-topology.ts';
import { AT_ONCE_BEHAVIOURS } from './at-once.ts';
import { BATCH_BEHAVIOURS } from './batches.ts';
import { HANDSHAKE_BEHAVIOURS } from './handshakes.ts';
import { KAFKA_BEHAVIOURS } from './kafka.ts';
import { KAFKA_GROUP_BEHAVIOURS } from './kafka-groups.ts';
import { KAFKA_REQUEST_BEHAVIOURS } from './kafka-requests.ts';
import { SOCKET_BEHAVIOURS } from './sockets.ts';

export const BEHAVIOURS: readonly Behaviour[] = [
  ...SOCKET_BEHAVIOURS,
  ...HANDSHAKE_BEHAVIOURS,
  ...AMQP_BEHAVIOURS,
  ...AMQP_MESSAGE_BEHAVIOURS,
  ...AMQP_TOPOLOGY_BEHAVIOURS,
  ...KAFKA_BEHAVIOURS,
  ...KAFKA_REQUEST_BEHAVIOURS,
  ...KAFKA_GROUP_BEHAVIOURS,
  ...BATCH_BEHAVIOURS,
  ...AT_ONCE_BEHAVIOURS,
];
