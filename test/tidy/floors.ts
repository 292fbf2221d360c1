import type { Import } from './import-graph.ts';

/** The folders of `src/`, top floor first. A floor may import from itself and from those after it. */
export const FLOORS = [
  'cli',
  'admin',
  'servers',
  'client',
  'cluster',
  'bridges',
  'broker',
  'log',
  'wire',
  'records',
  'base',
] as const;

/** Floors further down that a floor has nothing to do with: codecs know no broker, the broker no protocol, the log no codec. */
const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  broker: ['wire'],
  log: ['wire'],
  client: ['broker', 'log'],
};

/**
 * Of the log, servers see the layout of a message in memory, which they write and read in place; the rest is the broker's.
 */
const SEEN_BY_SERVERS = new Set(['src/log/memory/chunks.ts']);

/**
 * The rooms of `broker/`, top first; rooms in one line stand side by side. A file that lies in `broker/` itself belongs
 * to the roof.
 */
const ROOMS: readonly (readonly string[])[] = [
  ['roof'],
  ['plugins', 'transactions', 'shards'],
  ['groups'],
  ['streams', 'delays', 'access', 'connections'],
  ['publishing', 'events'],
  ['topology'],
  ['queues'],
  ['shard', 'exchanges', 'budget', 'doors'],
  ['messages', 'policies'],
  ['acknowledgements'],
];

/** Imports inside `broker/` that run up and are right nevertheless, each with its reason. At most four. */
export const NAMED_EXCEPTIONS: readonly (Import & { readonly because: string })[] = [];

export function floorOf(path: string): string {
  return path.split('/')[1];
}

/** What is wrong with an import, or undefined. */
export function floorFault({ from, to }: Import): string | undefined {
  const [above, below] = [floorOf(from), floorOf(to)];
  if (above === below) return roomFault({ from, to });
  const [i, j] = [above, below].map((floor) => (FLOORS as readonly string[]).indexOf(floor)) as [
    number,
    number,
  ];
  if (i === -1 || j === -1) return `${i === -1 ? above : below} is not a floor`;
  if (j < i) return `${above} lies below ${below}`;
  if (FORBIDDEN[above]?.includes(below)) return `${above} may not know ${below}`;
  if (above === 'servers' && below === 'log' && !SEEN_BY_SERVERS.has(to)) return 'servers may not know log';
  return undefined;
}

function roomFault({ from, to }: Import): string | undefined {
  if (floorOf(from) !== 'broker') return undefined;
  const [above, below] = [roomOf(from), roomOf(to)];
  const [i, j] = [above, below].map((room) => ROOMS.findIndex((rooms) => rooms.includes(room))) as [
    number,
    number,
  ];
  if (i === -1 || j === -1) return `${i === -1 ? above : below} is not a room of broker/`;
  if (j >= i || isException({ from, to })) return undefined;
  return `${above} lies below ${below}`;
}

/** `errors.ts` and other files without a room that all need are no roof: they are named here. */
const WITHOUT_ROOM = new Set(['src/broker/errors.ts']);

function roomOf(path: string): string {
  if (WITHOUT_ROOM.has(path)) return 'acknowledgements';
  const steps = path.split('/');
  return steps.length === 3 ? 'roof' : steps[2];
}

function isException({ from, to }: Import): boolean {
  return NAMED_EXCEPTIONS.some((each) => each.from === from && each.to === to);
}
