import type { Table } from '../../base/value.ts';
import { delayOf } from '../exchanges/delayed-message.ts';
import type { NamedProperty, RoutedMessage } from '../messages/property-codec.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { reachByName } from './default-exchange.ts';
import { isReplyAddress, type ReplyConsumer } from './direct-reply.ts';
import type { Binding, Exchange } from './exchange.ts';
import type { DelayPort, StreamPort } from './ports.ts';
import type { Route } from './route.ts';
import type { TopologyState } from './state.ts';

const NO_DIRECT_REPLIES: readonly ReplyConsumer[] = [];
const NO_STREAMS: readonly StreamPort[] = [];
/** Under this key, which no publisher has, an exchange that is a stream keeps the one route that it has. */
const STREAM_KEY = '\0';

/** How many routes a virtual host remembers: keys can be made up without end. */
export const cachedRoutesMax = 16_384;

/**
 * Steps that one message may take through all exchanges, with all of its routing keys: some milliseconds. One exchange with
 * a few thousand bindings comes to some hundreds.
 */
export const ROUTE_STEPS_MAX = 400_000;
/** What one key at one exchange costs, whatever its type. */
const STEPS_PER_EXCHANGE = 4;

/** A message of which nothing but its address counts. */
export const bareMessage: RoutedMessage = { headers: () => null, property: () => null };

/** The message is looked at only when an exchange is on the way that does so. */
export function routeThrough<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  delays: DelayPort<Q> | null,
  exchange: Exchange<Q>,
  routingKey: string,
  message: RoutedMessage,
): Route<Q> {
  if (exchange.stream !== null) return streamRoute(state, exchange, exchange.stream);
  if (exchange.router.choose !== undefined && exchange.type.delays !== true) {
    return routeByChoice(
      state,
      delays,
      exchange,
      exchange.router.choose(routingKey, message),
      routingKey,
      message,
    );
  }
  // Whatever changes a route takes it out of the cache, so that what is found in it holds.
  const cached = exchange.routes.get(routingKey);
  if (cached !== undefined) return cached;
  if (exchange.isDefault && isReplyAddress(routingKey)) return replyRoute(state, routingKey);
  const route = routeOf(state, delays, reach(state, [exchange], [routingKey], message, true));
  if (route.cacheable) remember(state, exchange, routingKey, route);
  return route;
}

function remember<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  exchange: Exchange<Q>,
  key: string,
  route: Route<Q>,
): void {
  // An exchange that was deleted may still be held by a caller, but no change would empty its cache.
  if (state.exchanges.get(exchange.name) !== exchange) return;
  state.rememberRoute(exchange, key, route, cachedRoutesMax);
}

/** Through an exchange that has chosen a binding: nearly always to a queue, whose route is remembered by its name. */
function routeByChoice<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  delays: DelayPort<Q> | null,
  exchange: Exchange<Q>,
  choice: Binding<Q> | null,
  routingKey: string,
  message: RoutedMessage,
): Route<Q> {
  if (choice === null || choice.destinationKind === 'exchange') {
    const reached = reach(state, [exchange], [routingKey], message, true, choice);
    return { ...routeOf(state, delays, reached), cacheable: false };
  }
  const { name } = choice.destination;
  const known = exchange.routes.get(name);
  if (known !== undefined) return known;
  const route: Route<Q> = {
    queues: [choice.destination],
    streams: NO_STREAMS,
    cacheable: false,
    version: state.version,
    delayMs: -1,
    isCutOff: false,
    directReplies: NO_DIRECT_REPLIES,
  };
  remember(state, exchange, name, route);
  return route;
}

/** For a message with several routing keys: it goes where each of them leads. */
export function routeWithKeys<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  delays: DelayPort<Q> | null,
  exchange: Exchange<Q>,
  routingKeys: readonly string[],
  message: RoutedMessage,
): Route<Q> {
  return {
    ...routeOf(state, delays, reach(state, [exchange], [...new Set(routingKeys)], message, true)),
    cacheable: false,
    directReplies: exchange.isDefault ? state.directReplies.readyAt(routingKeys) : NO_DIRECT_REPLIES,
  };
}

/** To who asked for it; a fresh one each time, as callers come and go without changing the topology. */
function replyRoute<Q extends TopologyQueue>(state: TopologyState<Q>, address: string): Route<Q> {
  const replies = state.directReplies.readyAt([address]);
  return {
    queues: [],
    streams: NO_STREAMS,
    cacheable: false,
    version: state.version,
    delayMs: -1,
    isCutOff: false,
    directReplies: replies,
  };
}

/**
 * For a message whose delay is over. It was published to `exchange`, and went at once wherever it did not have to wait:
 * now it goes on from the exchanges that held it up, as things stand now, and does not wait again.
 */
export function routeAfterDelay<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  exchange: Exchange<Q>,
  routingKeys: readonly string[],
  message: RoutedMessage,
): Route<Q> {
  // What was published to a stream waits only after that: it came out of the stream.
  const fed = exchange.stream === null ? null : { exchange, takes: () => true };
  const isHeldAtOnce = fed === null && exchange.type.delays === true && delayOf(message) > 0;
  const holding = isHeldAtOnce
    ? [exchange]
    : reach(state, [exchange], routingKeys, message, true, null, fed).holding;
  const { queues, streams } = reach(state, holding, routingKeys, message, false, null, fed);
  return {
    queues: [...queues],
    streams: [...streams],
    cacheable: false,
    version: state.version,
    delayMs: -1,
    isCutOff: false,
    directReplies: NO_DIRECT_REPLIES,
  };
}

/** A stream whose messages go on from its exchange, and which of the bindings there get this one. */
export interface Fed<Q extends TopologyQueue> {
  readonly exchange: Exchange<Q>;
  takes(binding: Binding<Q>): boolean;
}

/** For a message out of a stream: where the bindings of the stream's exchange lead that take it. */
export function routeFromStream<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  delays: DelayPort<Q> | null,
  fed: Fed<Q>,
  routingKeys: readonly string[],
  message: RoutedMessage,
): Route<Q> {
  return routeOf(state, delays, reach(state, [fed.exchange], routingKeys, message, true, null, fed));
}

/** The same for every key, so that many different keys do not matter. */
function streamRoute<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  exchange: Exchange<Q>,
  stream: StreamPort,
): Route<Q> {
  const known = exchange.routes.get(STREAM_KEY);
  if (known !== undefined) return known;
  const route: Route<Q> = {
    queues: [],
    streams: [stream],
    cacheable: true,
    version: state.version,
    delayMs: -1,
    isCutOff: false,
    directReplies: NO_DIRECT_REPLIES,
  };
  remember(state, exchange, STREAM_KEY, route);
  return route;
}

/** What a walk through the exchanges came to. */
interface Reached<Q extends TopologyQueue> {
  readonly queues: Set<Q>;
  readonly streams: Set<StreamPort>;
  /** Exchanges that the message has to wait at. */
  readonly holding: Exchange<Q>[];
  readonly delayMs: number;
  readonly cacheable: boolean;
  readonly isCutOff: boolean;
}

function routeOf<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  delays: DelayPort<Q> | null,
  { queues, streams, holding, delayMs, cacheable, isCutOff }: Reached<Q>,
): Route<Q> {
  if (holding.length > 0) {
    if (delays === null) throw new Error('a message has to wait, and there is no store to wait in');
    queues.add(delays.targetFor(delayMs));
  }
  return {
    queues: [...queues],
    streams: streams.size === 0 ? NO_STREAMS : [...streams],
    cacheable,
    version: state.version,
    delayMs,
    isCutOff,
    directReplies: NO_DIRECT_REPLIES,
  };
}

function reach<Q extends TopologyQueue>(
  state: TopologyState<Q>,
  starts: readonly Exchange<Q>[],
  routingKeys: readonly string[],
  message: RoutedMessage,
  mayWait: boolean,
  choice: Binding<Q> | null = null,
  fed: Fed<Q> | null = null,
): Reached<Q> {
  const queues = new Set<Q>();
  const streams = new Set<StreamPort>();
  const holding: Exchange<Q>[] = [];
  // Exchanges to go through. Iteration also yields what is added meanwhile, each exchange once: cycles end.
  const exchanges = new Set<Exchange<Q>>(starts);
  let read: RoutedMessage | null = null;
  let delayMs = -1;
  let cacheable = true;
  let matched = false;
  let steps = 0;
  const visit = (binding: Binding<Q>): void => {
    if (fed !== null && binding.source === fed.exchange && !fed.takes(binding)) return;
    matched = true;
    if (binding.destinationKind === 'queue') queues.add(binding.destination);
    else exchanges.add(binding.destination);
  };
  for (const exchange of exchanges) {
    const { router } = exchange;
    // By a binding or an alternate exchange that was made before these were refused.
    if (exchange.isSystem && !starts.includes(exchange)) continue;
    if (exchange.isDefault) {
      reachByName(state, routingKeys, queues, streams);
      // Of a queue's name, only what the default exchange itself has remembered hears when it changes.
      if (!starts.includes(exchange)) cacheable = false;
      continue;
    }
    if (exchange.stream !== null && exchange !== fed?.exchange) {
      streams.add(exchange.stream);
      continue;
    }
    const delays = mayWait && exchange.type.delays === true;
    if (delays || !router.isKeyed) {
      cacheable = false;
      read ??= new ReadOnce(message);
    }
    if (delays) {
      delayMs = delayOf(read as RoutedMessage);
      if (delayMs > 0) {
        holding.push(exchange);
        continue;
      }
    }
    matched = false;
    if (choice !== null && choice.source === exchange) visit(choice);
    else if (router.takesEveryKey) {
      for (const key of routingKeys) {
        router.route(key, read ?? message, visit);
        steps += STEPS_PER_EXCHANGE + (router.routeSteps ?? 0);
        if (steps > ROUTE_STEPS_MAX) break;
      }
    } else {
      router.route(routingKeys[0], read ?? message, visit);
      steps += STEPS_PER_EXCHANGE + (router.routeSteps ?? 0);
    }
    if (steps > ROUTE_STEPS_MAX) break;
    if (matched || exchange.alternate === null) continue;
    const alternate = state.exchanges.get(exchange.alternate);
    if (alternate !== undefined && state.mayLeadTo(exchange.alternateNeeds, alternate, routingKeys)) {
      exchanges.add(alternate);
    }
  }
  return { queues, streams, holding, delayMs, cacheable, isCutOff: steps > ROUTE_STEPS_MAX };
}

/** Decodes the headers at most once, however many exchanges ask for them. */
class ReadOnce implements RoutedMessage {
  readonly #message: RoutedMessage;
  #headers: Table | null | undefined;

  constructor(message: RoutedMessage) {
    this.#message = message;
  }

  headers(): Table | null {
    if (this.#headers === undefined) this.#headers = this.#message.headers();
    return this.#headers;
  }

  property(name: NamedProperty): string | null {
    return this.#message.property(name);
  }
}
