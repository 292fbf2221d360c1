import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { TurnTime, type Work } from '../../base/turn-time.ts';
import type { DiskLevel } from '../../log/files/free-disk-space.ts';
import { storageFailureText } from '../../log/operator-advice.ts';
import { type StateMachine, Store, type StoreOptions } from '../../log/store.ts';
import type { BatchOpener } from '../../records/opening/batch-opener.ts';
import { BrokerError } from '../errors.ts';
import type { PropertyCodecs } from '../messages/property-codec.ts';
import { BackPressure } from './back-pressure.ts';
import { DeliveryGate } from './delivery-gate.ts';
import type { OutboxPort } from './outbox-port.ts';
import type { RemoteAppends } from './remote-appends.ts';
import type { RemotePublishing } from './remote-publishing.ts';
import { ResourceAlarms } from './resource-alarms.ts';
import { Turn } from './turn.ts';
import { REFUSED, type SafeListener, Waits } from './waits.ts';

export interface DurableListener {
  /** This block, and all before it, are durable. */
  onDurable(block: number): void;
}

/** Tells whoever knows waits alone that the block is durable which it waits for. */
class SafeBlock implements DurableListener {
  readonly #block: number;
  readonly #listener: SafeListener;

  constructor(block: number, listener: SafeListener) {
    this.#block = block;
    this.#listener = listener;
  }

  onDurable(): void {
    this.#listener.onSafe(this.#block, false);
  }
}

interface WaitingForBlock {
  readonly block: number;
  readonly listeners: DurableListener[];
}

/** Where the shard writes for whoever operates it. */
export interface ShardLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ShardDeps {
  readonly storage: StoreOptions;
  readonly codecs: PropertyCodecs;
  readonly log: ShardLog;
  /** Nothing in it acts by itself: see `Shard.isHeld`. */
  readonly isHeld?: boolean;
  /** A resource alarm was raised or cleared; the alarm's listeners are told afterwards. */
  onAlarm(resource: string, isRaised: boolean): void;
  /** The storage failed and cannot be trusted: the process has to end. */
  onFailure(error: Error): void;
}

/** How far the journal is. */
export interface JournalPosition {
  /** Grows with each start. */
  readonly epoch: number;
  readonly lastBlock: number;
  readonly durableBlock: number;
}

/** Bytes that the shard holds. */
export interface StorageUse {
  readonly journalFileBytes: number;
  /** Of messages, in memory. */
  readonly messageBytes: number;
}

/**
 * One journal, the turn of the event loop that commits it, its back-pressure, and the wait until a block is durable.
 * It runs in one thread, and knows neither a protocol nor what exists in the broker.
 */
export class Shard {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly storage: StoreOptions;
  readonly codecs: PropertyCodecs;
  readonly store: Store;
  readonly turn: Turn;
  /** For works that grow with what clients send, name or have made. */
  readonly turnTime: TurnTime;
  readonly alarms = new ResourceAlarms();
  readonly backPressure: BackPressure;
  /** Those that need several answers. */
  readonly waits: Waits;
  readonly log: ShardLog;
  /**
   * Nothing acts by itself: no message leaves a queue or comes due, no queue expires, no stream is fed. Only what is on its way from
   * shard to shard arrives, so that queues can be moved.
   */
  readonly isHeld: boolean;
  /** Closed while a shard of several starts. */
  readonly deliveryGate = new DeliveryGate();
  /** Null with one shard. */
  remotePublishing: RemotePublishing | null = null;
  /** Null with one shard. */
  remoteAppends: RemoteAppends | null = null;
  /** What leaves for other shards; null with one. */
  outboxes: OutboxPort | null = null;
  /** The block in which the last change of metadata is; 0 if there was none. */
  metadataBlock = 0;
  /** Until the journal is read, operations are applied and not recorded. */
  isRecovering = true;
  /** The log id that is given next: ids are never used again. */
  nextLogId = 1;
  /** In the order of their blocks. */
  readonly #waiting: WaitingForBlock[] = [];
  readonly #onAlarm: ShardDeps['onAlarm'];
  readonly #onFailure: ShardDeps['onFailure'];

  constructor({ storage, codecs, log, isHeld = false, onAlarm, onFailure }: ShardDeps) {
    this.storage = storage;
    this.clock = storage.clock;
    this.scheduler = storage.scheduler;
    this.codecs = codecs;
    this.log = log;
    this.isHeld = isHeld;
    if (isHeld) this.deliveryGate.shut();
    this.#onAlarm = onAlarm;
    this.#onFailure = onFailure;
    this.store = new Store(storage, {
      isAwaited: (after) => this.#waiting.length > 0 && this.#waiting[this.#waiting.length - 1].block > after,
      onDurable: (block) => {
        this.#becameDurable(block);
        this.backPressure.relieve();
        this.store.maintenance.poke();
      },
      onWarning: (text) => log.warn({}, text),
      onRecovered: (lastBlock) => log.info({ lastBlock }, 'the journal was read'),
      onFailure: (error) => this.#fail(error),
      onDiskLevel: (level) => this.#setDiskLevel(level),
      onRelief: () => this.backPressure.relieve(),
    });
    this.backPressure = new BackPressure(this.store, this.alarms);
    this.waits = new Waits(this);
    this.turnTime = new TurnTime(this.clock, this.scheduler);
    this.turn = new Turn(this.clock, this.scheduler, () => {
      this.store.journal.commit();
      this.store.maintenance.poke();
    });
  }

  /** Milliseconds since the epoch with fractions, as of the turn's last `touch`. */
  get nowMs(): number {
    return this.turn.nowMs;
  }

  /** The block that what was appended last is in, if the journal was not committed since. */
  get currentBlock(): number {
    return this.store.journal.blockNumber;
  }

  /** The block in which the last of all that was stored until now is; 0 if that is durable. */
  get undurableBlock(): number {
    const block = this.store.journal.lastBlock;
    return this.isDurable(block) ? 0 : block;
  }

  get journalPosition(): JournalPosition {
    const { journal, epoch } = this.store;
    return { epoch, lastBlock: journal.lastBlock, durableBlock: journal.durableBlock };
  }

  get opener(): BatchOpener {
    return this.store.state.opener;
  }

  get storageUse(): StorageUse {
    const { device, chunks } = this.store;
    return { journalFileBytes: device.lengthBytes, messageBytes: chunks.bytes };
  }

  isDurable(block: number): boolean {
    return block <= this.store.journal.durableBlock;
  }

  /** Does what may take long, in turns with others; what is short is done at once. `what` it was to do, for the log, if it fails. */
  inBackground(work: Work<void>, what: string): void {
    const running = this.turnTime.run(work);
    if (running instanceof Promise)
      running.catch((error) => this.log.error({ err: error }, `failed ${what}`));
  }

  /** `listener` is called once when the block is durable: at once if it is. A wait is for `whenSafe`. */
  whenDurable(block: number, listener: DurableListener): void {
    if (this.isDurable(block)) {
      // It would be told that a message is safe which is not.
      if (block < 0) throw new RangeError(`${block} is no block of the journal`);
      listener.onDurable(block);
      return;
    }
    this.#wait(block, listener);
    this.turn.schedule();
  }

  /** `listener` is called once when what is durable now is on stable storage, whatever the durability setting: at once where that is the same. */
  whenSynced(listener: () => void): void {
    const { device, options, events } = this.store;
    if (options.durability.mode === 'sync') listener();
    else device.sync().then(listener, (error) => events.onFailure(error));
  }

  /** Blocks come in order, so both ends are near. */
  #wait(block: number, listener: DurableListener): void {
    const waiting = this.#waiting;
    let at = waiting.length - 1;
    for (; at >= 0; at--) {
      const entry = waiting[at];
      if (entry.block === block) {
        entry.listeners.push(listener);
        return;
      }
      if (entry.block < block) break;
    }
    // Mostly at the end; but the last change of metadata may be older than the last message.
    waiting.splice(at + 1, 0, { block, listeners: [listener] });
  }

  #becameDurable(block: number): void {
    while (this.#waiting.length > 0 && this.#waiting[0].block <= block) {
      const { listeners } = this.#waiting.shift() as WaitingForBlock;
      for (const listener of listeners) listener.onDurable(block);
    }
  }

  /** `answer` when the block is durable: itself if it is, otherwise a promise of it. */
  durably<T>(block: number, answer: T): T | Promise<T> {
    if (block >= 0 && this.isDurable(block)) return answer;
    return new Promise((resolve) => this.whenDurable(block, { onDurable: () => resolve(answer) }));
  }

  /** `listener` is called once when the wait is over (see `Waits`), at once if it is: as `whenDurable`, of any wait. */
  whenSafe(wait: number, listener: SafeListener): void {
    if (wait >= 0) this.whenDurable(wait, new SafeBlock(wait, listener));
    else if (wait === REFUSED) listener.onSafe(wait, true);
    else this.waits.listen(wait, listener);
  }

  /**
   * `answer` when the wait is over: itself if it is a block that is durable, otherwise a promise of it, which rejects with a
   * BrokerError precondition-failed if what is waited for was refused.
   */
  safely<T>(wait: number, answer: T): T | Promise<T> {
    if (wait >= 0) return this.durably(wait, answer);
    return new Promise((resolve, reject) => {
      const onSafe = (_wait: number, isRefused: boolean): void => {
        if (isRefused)
          reject(new BrokerError('precondition-failed', 'a queue that the message goes to refused it'));
        else resolve(answer);
      };
      this.whenSafe(wait, { onSafe });
    });
  }

  /** Resolves when the block, or all that was stored until now, is durable. */
  async durable(block = this.undurableBlock): Promise<void> {
    await this.durably(block, undefined);
  }

  /** Journals a change of metadata, in the encoding of whoever will apply it at recovery. Returns its block. */
  record(operation: Uint8Array): number {
    if (this.isRecovering) return 0;
    this.store.appendMetadata(operation);
    this.metadataBlock = this.currentBlock;
    this.turn.schedule();
    return this.metadataBlock;
  }

  /** A log id that was never used, or the `known` one, which is used from now on. */
  logId(known: number | null = null): number {
    const id = known ?? this.nextLogId;
    this.nextLogId = Math.max(this.nextLogId, id + 1);
    return id;
  }

  /** Publishers are blocked while an alarm is raised. */
  setAlarm(resource: string, isRaised: boolean): void {
    if (!this.alarms.set(resource, isRaised)) return;
    this.log.warn({ reason: resource }, isRaised ? 'publishers are blocked' : 'publishers may go on');
    this.#onAlarm(resource, isRaised);
    this.alarms.notify();
  }

  #setDiskLevel(level: DiskLevel): void {
    const { alarms } = this;
    const wasReserve = alarms.isDiskReserved;
    alarms.isDiskReserved = level === 'reserve';
    this.setAlarm('disk', level !== 'enough');
    if (alarms.isDiskReserved === wasReserve) return;
    this.log.warn(
      { level },
      wasReserve
        ? 'there is more disk space than the reserve'
        : 'the reserve of disk space is reached: only what frees space is written',
    );
    if (wasReserve) this.backPressure.relieve();
  }

  /**
   * Reads the data directory. Resolves with whether the shard was stopped in an orderly way. From here on operations are
   * recorded.
   */
  async recover(machine: StateMachine): Promise<boolean> {
    const { clean, warnings } = await this.store.recover(machine);
    for (const warning of warnings) this.log.warn({}, warning);
    this.isRecovering = false;
    return clean;
  }

  /** Flushes and takes a snapshot. Rejects with a message for an operator. */
  async close(): Promise<void> {
    try {
      await this.store.close();
    } catch (error) {
      throw new Error(storageFailureText(error as Error, this.storage.directory), { cause: error });
    }
  }

  #fail(error: Error): void {
    this.turn.stop();
    this.store.abandon();
    this.log.error({ err: error }, storageFailureText(error, this.storage.directory));
    this.#onFailure(error);
  }
}
