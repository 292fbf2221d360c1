import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import {
  type Component,
  formatAddress,
  type ListenerComponent,
  runUntilStopped,
} from '../../../src/cli/broker-process/lifecycle.ts';

const quiet = pino({ level: 'silent' });

/** A stand-in for the process and the components of a broker, which writes down what happens, in order. */
class Stage {
  readonly events: string[] = [];
  readonly #signals = new Map<string, () => void>();
  #told: ((event: string) => void) | undefined;

  readonly processPort = {
    pid: 77,
    print: (line: string) => this.note(line),
    onSignal: (signal: string, action: () => void) => void this.#signals.set(signal, action),
    exit: (status: number) => this.note(`exit ${status}`),
    endBySignal: (signal: string) => this.note(`end by ${signal}`),
  };

  note(event: string): void {
    this.events.push(event);
    this.#told?.(event);
  }

  send(signal: 'SIGTERM' | 'SIGINT'): void {
    this.#signals.get(signal)!();
  }

  /** Resolves when the event happens next. */
  async until(event: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#told = (told) => (told === event ? resolve() : undefined);
    await promise;
  }

  component(name: string): Component {
    return { close: async () => this.note(`close ${name}`) };
  }

  listener(protocol: string, address: string): ListenerComponent {
    return { protocol, address, ...this.component(protocol) };
  }

  run(
    listeners: readonly (() => Promise<ListenerComponent>)[],
    broker = async () => this.component('broker'),
  ): Promise<void> {
    return runUntilStopped({ openBroker: broker, listeners }, quiet, this.processPort);
  }
}

describe('sluice start', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`says that it is ready when all listeners are open; on ${signal} closes them, then the broker`, async () => {
      const stage = new Stage();
      const ran = stage.run([
        async () => stage.listener('amqp', '127.0.0.1:5672'),
        async () => stage.listener('kafka', '127.0.0.1:9092'),
      ]);
      await stage.until('sluice ready amqp=127.0.0.1:5672 kafka=127.0.0.1:9092 pid=77');
      stage.send(signal);
      await ran;
      assert.deepEqual(stage.events.slice(1), ['close amqp', 'close kafka', 'close broker']);
    });
  }

  it('closes what is open, and never says ready, when a listener cannot be opened', async () => {
    const stage = new Stage();
    const ran = stage.run([
      async () => stage.listener('amqp', '127.0.0.1:5672'),
      async () => {
        throw new Error('the port is in use');
      },
    ]);
    await assert.rejects(ran, /in use/);
    assert.deepEqual(stage.events, ['close amqp', 'close broker']);
  });

  it('stops without a ready line when the signal comes during recovery', async () => {
    const stage = new Stage();
    const recovery = Promise.withResolvers<Component>();
    const ran = stage.run([async () => stage.listener('amqp', 'x')], () => recovery.promise);
    stage.send('SIGTERM');
    recovery.resolve(stage.component('broker'));
    await ran;
    assert.deepEqual(stage.events, ['close broker']);
  });

  for (const [signal, status] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
    it(`ends at once with ${status} on ${signal} when it is stopping already`, async () => {
      const stage = new Stage();
      const closing = Promise.withResolvers<void>();
      const ran = stage.run([], async () => ({ close: () => closing.promise }));
      await stage.until('sluice ready pid=77');
      stage.send('SIGTERM');
      stage.send(signal);
      assert.deepEqual(stage.events.slice(1), [`exit ${status}`]);
      closing.resolve();
      await ran;
    });
  }

  it('puts an IPv6 address in brackets', () => {
    assert.equal(formatAddress('::1', 5672), '[::1]:5672');
    assert.equal(formatAddress('localhost', 5672), 'localhost:5672');
  });
});
