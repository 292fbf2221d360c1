import type { Work } from '../../base/turn-time.ts';
import type { StreamPort } from '../topology/ports.ts';
import { StreamExchange } from './bindings/stream-exchange.ts';
import type { StreamConsumerRequest, StreamReader } from './consumers/stream-consumer.ts';

/** A new consumer of a stream. @throws BrokerError as `StreamExchange.consume` */
export function consumed(stream: StreamPort, request: StreamConsumerRequest): Work<StreamReader> {
  if (stream instanceof StreamExchange) return stream.consume(request);
  throw new Error(`stream '${stream.name}' cannot be consumed`);
}
