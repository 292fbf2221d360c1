import type { Value } from '../../src/base/value.ts';
import { PROTOCOL_HEADER } from '../../src/wire/amqp091/constants.ts';
import { METHODS, type Method } from '../../src/wire/amqp091/definitions.ts';
import { describeArrival } from './answer.ts';
import { type Action, action, type Case, call, type Stage } from './case.ts';
import { type Arrival, Peer } from './peer.ts';

/** A broker to ask. Its users are those of `users.ts`. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** How long nothing has to come for nothing more to be expected. */
  readonly quietMs: number;
}

const STAGES: readonly Stage[] = ['connected', 'started', 'authenticated', 'tuned', 'open', 'channel'];
/** It has an answer in every state of a channel, and changes nothing. */
const PROBE = call('access.request');
const SPARE_CHANNEL = 99;

/** What the last step is answered, line by line; if an earlier one fails, what that was. */
export async function runCase(each: Case, target: Target, prefix: string): Promise<string[]> {
  const run = new CaseRun(each, target, prefix);
  try {
    return await run.answers();
  } finally {
    run.end();
  }
}

class CaseRun {
  readonly #case: Case;
  readonly #target: Target;
  readonly #prefix: string;
  readonly #peers = new Map<string, Peer>();

  constructor(each: Case, target: Target, prefix: string) {
    this.#case = each;
    this.#target = target;
    this.#prefix = prefix;
  }

  async answers(): Promise<string[]> {
    const { steps } = this.#case;
    const ours = await this.#peer('ours');
    if (typeof ours === 'string') return [`the handshake failed: ${ours}`];
    for (const [index, step] of steps.entries()) {
      const next = action(step);
      const peer = await this.#peer(next.connection ?? 'ours');
      if (typeof peer === 'string') return [`step ${index + 1}: ${peer}`];
      const from = peer.arrivals.length;
      if (next.cuts) {
        peer.destroy();
        continue;
      }
      if (next.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, next.pauseMs));
      this.#perform(peer, next);
      if (index === steps.length - 1) return await this.#answersSince(peer, next, from);
      const failure = await this.#settle(peer, next, from);
      if (failure !== null) return [`step ${index + 1}: ${failure}`];
    }
    return [];
  }

  end(): void {
    for (const peer of this.#peers.values()) peer.destroy();
  }

  /** The open connection of this name; or what it was answered instead. */
  async #peer(name: string): Promise<Peer | string> {
    const known = this.#peers.get(name);
    if (known !== undefined) return known;
    const peer = await Peer.connect(this.#target.host, this.#target.port);
    this.#peers.set(name, peer);
    const { user = 'guest', stage = 'channel', capabilities = {} } = this.#case;
    const reached =
      name === 'ours'
        ? await handshake(peer, user, stage, { authentication_failure_close: true, ...capabilities })
        : await handshake(peer, 'guest', 'channel', {});
    return reached ? peer : this.#describe(peer, 0).join('; ') || 'silence';
  }

  #perform(peer: Peer, { channel = 1, method, frames }: Action): void {
    if (method !== undefined) peer.send(channel, this.#named(method));
    if (frames !== undefined) peer.write(frames(channel, peer.frameMax, this.#name));
  }

  /** A step that is not the last has to succeed before the next begins. Returns what came instead. */
  async #settle(peer: Peer, step: Action, from: number): Promise<string | null> {
    const { channel = 1, method, frames, isPart, endsChannel } = step;
    if (isPart || (method === undefined && frames === undefined)) return null;
    const wanted = endsChannel ? ['channel.close'] : answersTo(method);
    if (wanted.length === 0) {
      if (channel === 0 || (this.#case.stage ?? 'channel') !== 'channel') return null;
      peer.send(channel, PROBE);
      wanted.push('access.request-ok');
    }
    const found = await peer.find(
      from,
      (arrival) => isEnd(arrival) || (arrival.channel === channel && wanted.includes(nameOf(arrival))),
    );
    return found !== null && wanted.includes(nameOf(found))
      ? null
      : this.#describe(peer, from).join('; ') || 'nothing came';
  }

  async #answersSince(peer: Peer, { channel = 1 }: Action, from: number): Promise<string[]> {
    const { awaits, untilQuiet, stage = 'channel' } = this.#case;
    if (awaits !== undefined)
      await peer.find(from, (arrival) => isEnd(arrival) || nameOf(arrival) === awaits);
    if (untilQuiet || stage !== 'channel' || channel === 0) {
      await peer.quiet(awaits === undefined ? this.#target.quietMs : 20);
      const lines = this.#describe(peer, from);
      if (peer.isClosed && !lines.some((line) => line.startsWith('connection.close'))) lines.push('closed');
      return lines;
    }
    peer.send(channel, PROBE);
    const end = await peer.find(
      from,
      (arrival) => isEnd(arrival) || (arrival.channel === channel && nameOf(arrival) === 'access.request-ok'),
    );
    const lines = this.#describe(peer, from);
    if (end === null) return [...lines, peer.isClosed ? 'closed' : 'silence'];
    if (nameOf(end) === 'channel.close') lines.push(...(await this.#checkOthers(peer, end.channel)));
    return lines;
  }

  /** The error of one channel is no other channel's, and its number can be used again. */
  async #checkOthers(peer: Peer, closed: number): Promise<string[]> {
    const from = peer.arrivals.length;
    peer.send(closed, call('channel.close-ok'));
    for (const channel of [closed, SPARE_CHANNEL]) {
      peer.send(channel, call('channel.open'));
      const opened = await peer.find(from, (each) => each.channel === channel || each.channel === 0);
      if (opened === null || nameOf(opened) !== 'channel.open-ok') {
        return [`then channel ${channel}: ${this.#describe(peer, from).join('; ') || 'nothing'}`];
      }
    }
    return [];
  }

  #describe(peer: Peer, from: number): string[] {
    return peer.arrivals
      .slice(from)
      .filter((arrival) => nameOf(arrival) !== 'access.request-ok')
      .map((arrival) => describeArrival(arrival, this.#prefix));
  }

  readonly #name = (text: string): string => text.replaceAll('~', this.#prefix);

  #named(method: Method): Method {
    return rename(method as unknown as Value, this.#name) as unknown as Method;
  }
}

/** Replaces the texts in a value, but for those in bytes. */
function rename(value: Value, name: (text: string) => string): Value {
  if (typeof value === 'string') return name(value);
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map((item) => rename(item, name));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rename(item, name)]));
}

function nameOf({ method }: Arrival): string {
  return method?.name ?? '';
}

function isEnd(arrival: Arrival): boolean {
  return nameOf(arrival) === 'channel.close' || nameOf(arrival) === 'connection.close';
}

/** The methods that answer this one; none if it is not answered, or not at once. */
function answersTo(method: Method | undefined): string[] {
  if (method === undefined || ('noWait' in method && method.noWait)) return [];
  if (method.name === 'basic.get') return ['basic.get-ok', 'basic.get-empty'];
  const answer = `${method.name}-ok`;
  return answer in METHODS && method.name !== 'connection.tune' ? [answer] : [];
}

async function handshake(
  peer: Peer,
  user: string,
  stage: Stage,
  capabilities: Record<string, Value>,
): Promise<boolean> {
  const last = STAGES.indexOf(stage);
  const arrives = async (...wanted: string[]) => {
    const found = await peer.find(0, (each) => wanted.includes(nameOf(each)) || isEnd(each));
    return found !== null && !isEnd(found);
  };
  if (last === 0) return true;
  peer.write(PROTOCOL_HEADER);
  if (!(await arrives('connection.start'))) return false;
  if (last === 1) return true;
  peer.send(0, startOk(user, capabilities));
  if (!(await arrives('connection.tune'))) return false;
  if (last === 2) return true;
  peer.send(0, call('connection.tune-ok', { channelMax: 2047, frameMax: peer.frameMax }));
  if (last === 3) return true;
  peer.send(0, call('connection.open', { virtualHost: '/' }));
  if (!(await arrives('connection.open-ok'))) return false;
  if (last === 4) return true;
  peer.send(1, call('channel.open'));
  return await arrives('channel.open-ok');
}

/** Every user's password is his name. */
export function startOk(user: string, capabilities: Record<string, Value>, password = user): Method {
  return call('connection.start-ok', {
    clientProperties: { capabilities },
    mechanism: 'PLAIN',
    response: Buffer.from(`\0${user}\0${password}`),
    locale: 'en_US',
  });
}
