import type { MemoryPool } from '../../../base/memory-pool.ts';
import type { AclOperation, AclResource } from '../../../broker/access/acl.ts';
import type { ClientQuota } from '../../../broker/access/client-quota.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { ConnectionMemory } from '../../../broker/budget/client-memory.ts';
import type { AskedService } from '../../../broker/shards/services/service-request.ts';
import type { BrokerAddress, ClientsView } from '../broker-addresses.ts';
import type { Authentication } from '../connection/authentication.ts';
import type { Identity } from '../connection/identity.ts';
import type { ConnectionLifetime } from '../connection/lifetime.ts';
import type { ResponseOutput } from '../connection/response-output.ts';
import type { FetchSessions } from '../fetch/fetch-sessions.ts';
import type { Settings } from '../options.ts';
import type { ShareSessions } from '../share/share-sessions.ts';

/** What a handler gets beside the body of the request. */
export interface RequestContext {
  /** The API version of the request, and so of its response. */
  readonly version: number;
  /** `client_id` of the request header. */
  readonly clientId: string | null;
  readonly client: ClientConnection;
  readonly broker: Broker;
  readonly settings: Settings;
  readonly isTls: boolean;
  /** Of this server. */
  readonly shard: number;
  /** Whether this is shard 0, which makes all changes of what all shards know. */
  readonly isController: boolean;
  /** All APIs that are served, in the order of their keys. */
  readonly apis: readonly ServedApi[];
  readonly fetchSessions: FetchSessions;
  readonly shareSessions: ShareSessions;
  /** For the records of Fetch responses until the socket has taken them. */
  readonly fetchMemory: MemoryPool;
  /** Of all shards, in the order of their node ids, as this client reaches them (advertised.listeners): the first is the controller. */
  readonly brokers: readonly BrokerAddress[];
  readonly brokerCount: number;
  /** Whether the client's permissions and access control lists allow this; false before it has authenticated. */
  isAllowed(operation: AclOperation, resource: AclResource, name: string): boolean;
}

/** A row of the ApiVersions response. */
export interface ServedApi {
  readonly api: { readonly key: number };
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** What all connections of one Kafka listener share. */
export interface ServerContext
  extends Pick<
    RequestContext,
    'broker' | 'settings' | 'shard' | 'isTls' | 'apis' | 'fetchSessions' | 'shareSessions' | 'fetchMemory'
  > {
  /** What each shard listens on for the same kind of clients, by its number. */
  readonly ports: readonly number[];
  /** Who answers what only the controller can; null in shard 0, where it is. */
  readonly controller: Controller | null;
}

/** The server of shard 0, as those of other shards reach it. */
export interface Controller {
  /** Answers a request of a client of this shard. The answer: see `shards/forwarded-request.ts`. */
  ask(request: readonly Buffer[]): AskedService;
}

/** The connection on which a request came, as its handler sees it. */
export interface ClientConnection extends ConnectionLifetime {
  /** Of the client, also behind a proxy; without the prefix of IPv4 in IPv6. */
  readonly address: string;
  /** The virtual host of the client; `/` before it has authenticated. */
  readonly vhost: string;
  /** The user name for audit events; empty before the client has authenticated. */
  readonly actor: string;
  /** Null before the client has authenticated. */
  readonly identity: Identity | null;
  /** Null where another shard has forwarded the request: it authenticates its clients itself. */
  readonly authentication: Authentication | null;
  readonly quota: ClientQuota;
  /** Where memory of answers that are being made is counted. */
  readonly memory: Pick<ConnectionMemory, 'add' | 'room' | 'mayTake' | 'resumed' | 'shortage'>;
  /** Told of bytes that were counted in `memory`, and are in the response which is given now. */
  readonly responses: Pick<ResponseOutput, 'adopt'>;
  /** How this client reaches the brokers. */
  readonly view: ClientsView;
  /** `client.software.name` and `client.software.version` of ApiVersions (KIP-511). */
  software: string;
  /** Whether the client may write to any topic at all (KIP-679). */
  readonly mayWriteSomewhere: boolean;
  /** As `RequestContext.isAllowed`, for what is not of one virtual host: users, quotas, broker configs. */
  mayRule(operation: AclOperation, resource: AclResource, name: string): boolean;
  /** Takes no more requests until `onResume` calls the function that it is given: memory or the journal is full. */
  pauseUntil(onResume: (resume: () => void) => void): void;
  /** No further request of the connection begins before the function that this gives is called: one is still at work. */
  hold(): () => void;
  /** Sends the responses that are ready and closes the connection; `reason` goes to the log alone. */
  close(reason: string): void;
}
