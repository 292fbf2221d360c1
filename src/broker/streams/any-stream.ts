import type { Work } from '../../base/turn-time.ts';
import type { StreamPort } from '../topology/ports.ts';
import { StreamExchange } from './bindings/stream-exchange.ts';
import type { StreamConsumerRequest, StreamReader } from './consumers/stream-consumer.ts';
import { RemoteStream } from './remote-stream.ts';

/** A new consumer of a stream, of this shard or of another one. @throws BrokerError as `StreamConsumers.add` */
export function consumed(stream: StreamPort, request: StreamConsumerRequest): Work<StreamReader> {
  if (stream instanceof StreamExchange || stream instanceof RemoteStream) return stream.consume(request);
  throw new Error(`stream '${stream.name}' cannot be consumed`);
}
