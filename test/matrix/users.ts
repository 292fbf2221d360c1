/** What the cases of permissions need: each user may do everything but one thing. A user's password is its name. */
export interface MatrixUser {
  readonly name: string;
  readonly tags: readonly string[];
  /** Patterns for the virtual host `/`; null: none were given. */
  readonly permissions: Permissions | null;
  readonly topicPermissions?: TopicPermissions;
}

export interface Permissions {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

export interface TopicPermissions {
  readonly exchange: string;
  readonly write: string;
  readonly read: string;
}

/** Makes them in a broker. */
export type SetUp = (users: readonly MatrixUser[]) => Promise<void>;

const ALL: Permissions = { configure: '.*', write: '.*', read: '.*' };

export const users: readonly MatrixUser[] = [
  { name: 'matrix-stranger', tags: [], permissions: null },
  { name: 'matrix-nothing', tags: [], permissions: { configure: '', write: '', read: '' } },
  { name: 'matrix-no-configure', tags: [], permissions: { ...ALL, configure: '^$' } },
  { name: 'matrix-no-write', tags: [], permissions: { ...ALL, write: '^$' } },
  { name: 'matrix-no-read', tags: [], permissions: { ...ALL, read: '^$' } },
  // Only of names that end so: one end of a binding, but not the other.
  {
    name: 'matrix-mine',
    tags: [],
    permissions: { configure: '.-mine$', write: '.-mine$', read: '.-mine$' },
  },
  { name: 'matrix-impersonator', tags: ['impersonator'], permissions: ALL },
  {
    name: 'matrix-topics',
    tags: [],
    permissions: ALL,
    topicPermissions: { exchange: 'amq.topic', write: '^{username}\\.', read: '^{vhost}mine\\.' },
  },
];
