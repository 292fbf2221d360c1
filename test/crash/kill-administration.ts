import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { controlSocketPath } from '../../src/admin/control-socket.ts';
import { HistoryError } from './expected-queue.ts';
import { type Load, pause } from './kill-clients.ts';

/** A thing that can be set and removed, by the path of the API under which it is. */
interface Kind {
  readonly path: (name: string) => string;
  /** The version shows in what is read back. */
  readonly body: (version: number) => object;
  readonly version: (answer: Answer) => number;
}

interface Answer {
  readonly tags?: readonly string[];
  readonly definition?: { readonly 'max-length': number };
  readonly read?: string;
}

const VHOST = '%2f';
/** The version of what is not there. */
const ABSENT = 0;

const KINDS: readonly Kind[] = [
  {
    path: (name) => `/api/users/${name}`,
    body: (version) => ({ password: '', tags: `v${version}` }),
    version: ({ tags }) => Number(tags?.[0]?.slice(1)),
  },
  {
    path: (name) => `/api/policies/${VHOST}/${name}`,
    body: (version) => ({ pattern: '^nothing$', definition: { 'max-length': version } }),
    version: ({ definition }) => Number(definition?.['max-length']),
  },
  {
    path: () => `/api/permissions/${VHOST}/guest`,
    body: (version) => ({ configure: '.*', write: '.*', read: `.*|v${version}` }),
    version: ({ read }) => Number(read?.split('|v')[1] ?? ABSENT),
  },
];

const NAMES = ['k0', 'k1', 'k2'];

/** Users, permissions and policies, changed over the broker's control socket: what was answered is so after a kill. */
export class KillAdministration {
  readonly #dataDirectory: string;
  /** The versions that each may have: several, while nobody knows whether the last change was made. */
  readonly #versions = new Map<string, { readonly kind: Kind; readonly possible: Set<number> }>();
  #next = 1;
  changes = 0;

  constructor(dataDirectory: string) {
    this.#dataDirectory = dataDirectory;
  }

  /** Goes on until the broker is gone. */
  async churn(load: Load): Promise<void> {
    while (!load.isOver) {
      const kind = KINDS[Math.floor(load.random() * KINDS.length)];
      const path = kind.path(NAMES[Math.floor(load.random() * NAMES.length)]);
      const { possible } = this.#stateOf(kind, path);
      // Guest needs his permissions.
      const isRemoval = load.random() < 0.3 && !path.endsWith('/guest') && !possible.has(ABSENT);
      const version = isRemoval ? ABSENT : this.#next++;
      possible.add(version);
      const { status } = await this.#ask(isRemoval ? 'DELETE' : 'PUT', path, kind.body(version));
      if (load.isOver) return;
      if (status >= 300) load.fail(new HistoryError(`${path} is answered with status ${status}`));
      this.#is(possible, version);
      this.changes++;
      await pause();
    }
  }

  /** After a start: what was not answered is found out. */
  async check(): Promise<void> {
    for (const [path, { kind, possible }] of this.#versions) {
      const { status, body } = await this.#ask('GET', path);
      const version = status === 404 ? ABSENT : kind.version(body);
      if (!possible.has(version))
        throw new HistoryError(`${path} has version ${version}, not ${[...possible].join(' or ')}`);
      this.#is(possible, version);
    }
  }

  #stateOf(kind: Kind, path: string): { readonly possible: Set<number> } {
    let state = this.#versions.get(path);
    if (state === undefined) {
      state = { kind, possible: new Set([ABSENT]) };
      this.#versions.set(path, state);
    }
    return state;
  }

  #is(possible: Set<number>, version: number): void {
    possible.clear();
    possible.add(version);
  }

  async #ask(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ readonly status: number; readonly body: Answer }> {
    const socketPath = await controlSocketPath(this.#dataDirectory);
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const asked = request({ socketPath, method, path, headers }, (response) => {
        text(response).then((answer) => {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(answer === '' ? '{}' : answer) });
        }, reject);
      });
      asked.on('error', reject);
      asked.end(body === undefined || method === 'DELETE' ? '' : JSON.stringify(body));
    });
  }
}
