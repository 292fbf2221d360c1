import type { ClassicMemberState } from '../operations.ts';
import type { JoinOutcome, JoinRequest, MemberProtocol, SyncOutcome } from './requests.ts';

const NOTHING = Buffer.alloc(0);

/** What a member says of itself each time that it joins. */
export type MemberFacts = Pick<JoinRequest, 'clientId' | 'host' | 'sessionMs' | 'rebalanceMs' | 'protocols'>;

/** One client in a group whose members divide the partitions among themselves. */
export class ClassicMember {
  readonly id: string;
  readonly instanceId: string | null;
  clientId: string;
  host: string;
  sessionMs: number;
  rebalanceMs: number;
  /** What it could agree to, best first. */
  protocols: readonly MemberProtocol[];
  /** What the leader has given to it. */
  assignment: Buffer = NOTHING;
  /** It waits for the others to join, or for the leader's word. */
  joining: ((outcome: JoinOutcome) => void) | null = null;
  syncing: ((outcome: SyncOutcome) => void) | null = null;
  /** It has asked for its part in this generation. */
  hasSynced = false;
  /** When it has been silent for too long, by the monotonic clock. */
  deadlineMs = Number.POSITIVE_INFINITY;

  constructor(
    id: string,
    from: Omit<ClassicMemberState, 'id' | 'metadata' | 'assignment'>,
    protocols: readonly MemberProtocol[],
  ) {
    this.id = id;
    this.instanceId = from.instanceId;
    this.clientId = from.clientId;
    this.host = from.host;
    this.sessionMs = from.sessionMs;
    this.rebalanceMs = from.rebalanceMs;
    this.protocols = protocols;
  }

  /** What it takes to keep: in memory, and about as much in the journal. */
  get bytes(): number {
    const { id, instanceId, clientId, host, protocols, assignment } = this;
    return (
      id.length +
      (instanceId?.length ?? 0) +
      clientId.length +
      host.length +
      bytesOf(protocols) +
      assignment.length
    );
  }

  update({ clientId, host, sessionMs, rebalanceMs, protocols }: MemberFacts): void {
    this.clientId = clientId;
    this.host = host;
    this.sessionMs = sessionMs;
    this.rebalanceMs = rebalanceMs;
    this.protocols = protocols;
  }

  get isWaiting(): boolean {
    return this.joining !== null || this.syncing !== null;
  }

  metadataFor(protocol: string): Buffer {
    return this.protocols.find(({ name }) => name === protocol)?.metadata ?? NOTHING;
  }

  supports(protocol: string): boolean {
    return this.protocols.some(({ name }) => name === protocol);
  }

  /** Whether it says the same as before. */
  offers(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every(({ name, metadata }, index) => {
        const own = this.protocols[index];
        return name === own.name && metadata.equals(own.metadata);
      })
    );
  }

  /** The first of these that it would take. */
  voteFor(candidates: ReadonlySet<string>): string | undefined {
    return this.protocols.find(({ name }) => candidates.has(name))?.name;
  }

  stateFor(protocol: string): ClassicMemberState {
    const { id, instanceId, clientId, host, sessionMs, rebalanceMs, assignment } = this;
    return {
      id,
      instanceId,
      clientId,
      host,
      sessionMs,
      rebalanceMs,
      metadata: this.metadataFor(protocol).toString('base64'),
      assignment: assignment.toString('base64'),
    };
  }

  static restore(state: ClassicMemberState, protocol: string): ClassicMember {
    const metadata = Buffer.from(state.metadata, 'base64');
    const member = new ClassicMember(state.id, state, [{ name: protocol, metadata }]);
    member.assignment = Buffer.from(state.assignment, 'base64');
    return member;
  }
}

export function bytesOf(protocols: readonly MemberProtocol[]): number {
  let bytes = 0;
  for (const { name, metadata } of protocols) bytes += name.length + metadata.length;
  return bytes;
}
