import type { Behaviour } from '../behaviour.ts';
import { AMQP_BEHAVIOURS } from './amqp.ts';
import { BATCH_BEHAVIOURS } from './batches.ts';
import { KAFKA_BEHAVIOURS } from './kafka.ts';
import { SOCKET_BEHAVIOURS } from './sockets.ts';

export const BEHAVIOURS: readonly Behaviour[] = [
  ...SOCKET_BEHAVIOURS,
  ...AMQP_BEHAVIOURS,
  ...KAFKA_BEHAVIOURS,
  ...BATCH_BEHAVIOURS,
];
