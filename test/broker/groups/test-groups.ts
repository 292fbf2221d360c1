import type { TurnTime } from '../../../src/base/turn-time.ts';
import type { JoinOutcome, JoinRequest, SyncOutcome } from '../../../src/broker/groups/classic/requests.ts';
import type { HeartbeatRequest } from '../../../src/broker/groups/consumer/requests.ts';
import { DEFAULT_GROUP_SETTINGS, type GroupSettings } from '../../../src/broker/groups/group-settings.ts';
import { Groups } from '../../../src/broker/groups/groups.ts';
import type {
  GroupStream,
  GroupStreams,
  MemberCodec,
  NamedPartitions,
} from '../../../src/broker/groups/ports.ts';
import { VirtualTime } from './virtual-time.ts';

/** Streams as far as groups look at them. */
export class TestStreams implements GroupStreams {
  readonly #byName = new Map<string, GroupStream>();
  #nextId = 1;

  set(name: string, partitions: number): GroupStream {
    const id = this.#byName.get(name)?.id ?? `${name}-${this.#nextId++}`;
    const stream = { vhost: '/', name, id, partitions: { length: partitions } };
    this.#byName.set(name, stream);
    return stream;
  }

  delete(name: string): GroupStream | undefined {
    const stream = this.#byName.get(name);
    this.#byName.delete(name);
    return stream;
  }

  get(_vhost: string, name: string): GroupStream | undefined {
    return this.#byName.get(name);
  }

  byId(id: string): GroupStream | undefined {
    return [...this.#byName.values()].find((stream) => stream.id === id);
  }

  list(): readonly GroupStream[] {
    return [...this.#byName.values()];
  }
}

/** Subscriptions as `s,t` or `s,t [{"topic":"s","partitions":[0]}]`, assignments as the latter. */
export const textCodec: MemberCodec = {
  readSubscription(_type, metadata) {
    const [topics = '', owned = '[]'] = metadata.toString().split(' ');
    return { topics: topics.split(','), ownedPartitions: JSON.parse(owned), rackId: null };
  },
  readAssignment: (_type, assignment) =>
    assignment.toString().startsWith('[') ? JSON.parse(assignment.toString()) : [],
  writeAssignment: (_metadata, partitions) => Buffer.from(JSON.stringify(partitions)),
};

/** Groups over a journal that is an array, in time that stands still. */
export class TestGroups {
  readonly time = new VirtualTime();
  readonly streams = new TestStreams();
  readonly settings: GroupSettings;
  readonly configs = new Map<string, string>();
  journal: Uint8Array[] = [];
  groups: Groups;

  readonly #turnTime: TurnTime | undefined;

  /** Without `turnTime` everything is done at once. */
  constructor(settings: Partial<GroupSettings> = {}, turnTime?: TurnTime) {
    this.settings = { ...DEFAULT_GROUP_SETTINGS, ...settings };
    this.#turnTime = turnTime;
    this.groups = this.#create();
  }

  /** Everything that is not in the journal is forgotten. */
  restart({ fromSnapshot = false } = {}): void {
    if (fromSnapshot) this.journal = [...this.groups.snapshot()];
    this.groups.stop();
    this.groups = this.#create();
    for (const operation of this.journal) this.groups.apply(operation);
    this.groups.recovered();
  }

  createStream(name: string, partitions: number): GroupStream {
    const stream = this.streams.set(name, partitions);
    this.groups.streamAdded(stream);
    return stream;
  }

  deleteStream(name: string): void {
    const stream = this.streams.delete(name);
    if (stream !== undefined) this.groups.streamRemoved(stream);
  }

  commit(
    offset: number,
    { partition = 0, stream = 's', memberId = '', generation = -1, group = 'g' } = {},
  ): void {
    const id = this.streams.get('/', stream)?.id ?? '';
    this.groups.commit({
      vhost: '/',
      group,
      memberId,
      instanceId: null,
      generation,
      knowsEpochs: true,
      rows: { [id]: [[partition, offset]] },
    });
  }

  committed(partition = 0, { stream = 's', group = 'g' } = {}): number | undefined {
    const id = this.streams.get('/', stream)?.id ?? '';
    return this.groups.find('/', group)?.offsets.get(id, partition)?.offset;
  }

  #create(): Groups {
    const groups = new Groups({
      settings: this.settings,
      configsOf: () => this.configs,
      streams: this.streams,
      clock: this.time,
      scheduler: this.time,
      ...(this.#turnTime === undefined ? {} : { turnTime: this.#turnTime }),
      record: (operation) => this.journal.push(Uint8Array.from(operation)),
    });
    groups.useMemberCodec(textCodec);
    return groups;
  }
}

/** A client of a classic group: what it asked, and what it was told. */
export class ClassicClient {
  readonly test: TestGroups;
  readonly instanceId: string | null;
  id = '';
  joined: JoinOutcome | null = null;
  synced: SyncOutcome | null = null;
  wishes = 's';
  protocols = ['range'];
  /** What it gives to a member when it leads. */
  assign: ((id: string) => readonly NamedPartitions[]) | null = null;

  constructor(test: TestGroups, instanceId: string | null = null) {
    this.test = test;
    this.instanceId = instanceId;
  }

  /** For an answer to its last request. */
  isWaiting = false;

  get isAnswered(): boolean {
    return this.joined !== null;
  }

  get generation(): number {
    return this.joined?.generation ?? -1;
  }

  join(more: Partial<JoinRequest> = {}): this {
    this.joined = null;
    this.synced = null;
    this.isWaiting = true;
    this.test.groups.join(
      '/',
      'g',
      {
        memberId: this.id,
        instanceId: this.instanceId,
        clientId: 'client',
        host: '/127.0.0.1',
        sessionMs: 10_000,
        rebalanceMs: 20_000,
        protocolType: 'consumer',
        protocols: this.protocols.map((name) => ({ name, metadata: Buffer.from(this.wishes) })),
        requiresKnownId: false,
        canSkipAssignment: true,
        ...more,
      },
      (outcome) => {
        this.isWaiting = false;
        this.joined = outcome;
        if (outcome.error === null || outcome.error === 'member-id-required') this.id = outcome.memberId;
      },
    );
    return this;
  }

  /** The answer does not come. */
  forget(): void {
    this.isWaiting = false;
    this.joined = null;
    this.synced = null;
  }

  /** As the leader it gives to each the generation and its own id. */
  sync(): this {
    this.synced = null;
    this.isWaiting = true;
    this.test.groups.sync(
      '/',
      'g',
      {
        memberId: this.id,
        instanceId: this.instanceId,
        generation: this.generation,
        protocolType: null,
        protocol: null,
        assignments: (this.joined?.members ?? []).map(({ id }) => ({
          memberId: id,
          assignment: Buffer.from(
            this.assign === null ? `${this.generation} ${id}` : JSON.stringify(this.assign(id)),
          ),
        })),
      },
      (outcome) => {
        this.isWaiting = false;
        this.synced = outcome;
      },
    );
    return this;
  }

  heartbeat(): string | null {
    const { id: memberId, instanceId, generation } = this;
    return this.test.groups.heartbeat('/', 'g', { memberId, instanceId, generation });
  }

  leave(): string | null {
    const { id: memberId, instanceId } = this;
    return this.test.groups.leave('/', 'g', [{ memberId, instanceId }])[0] ?? null;
  }
}

export const firstHeartbeat: HeartbeatRequest = {
  memberId: 'one',
  epoch: 0,
  instanceId: null,
  rackId: null,
  rebalanceMs: 20_000,
  names: ['s'],
  expression: null,
  assignor: null,
  owned: new Map(),
  clientId: 'client',
  host: '/127.0.0.1',
  maySee: () => true,
  classic: null,
};
