import type { ListenerLog } from './listener.ts';

/** Lines of one kind because of one client, in a window; those beyond are counted. */
const LINES_MAX = 20;
const WINDOW_MS = 60_000;
/** Lines of one kind because of all clients together, in a window: an attacker may have many addresses. */
const LINES_OF_KIND_MAX = 1000;
/** Clients and kinds that are told apart in a window. */
const KEYS_MAX = 10_000;

const LEVELS = ['info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

interface Folded {
  readonly level: Level;
  readonly message: string;
  readonly who: object;
  lines: number;
  repeats: number;
}

/**
 * The log for what clients cause. How much of it there is may not be up to them: of the same line about the same client the
 * first 20 in a minute are written, and at its end how many more there were:
 *
 *     {"level":"warn","peer":"10.0.0.7","repeats":480,"msg":"login refused"}
 *
 * The client is the field `peer`, an address, or where that is missing `user` or `principal`. `debug` is not folded: who asks
 * for it wants all.
 */
export class FoldedLog implements ListenerLog {
  readonly debug: ListenerLog['debug'];
  readonly info = this.#folding('info');
  readonly warn = this.#folding('warn');
  readonly error = this.#folding('error');
  readonly #log: ListenerLog;
  #entries = new Map<string, Folded>();
  #kinds = new Map<string, Folded>();
  #timer: NodeJS.Timeout | null = null;

  constructor(log: ListenerLog) {
    this.#log = log;
    this.debug = log.debug.bind(log) as ListenerLog['debug'];
  }

  /** Writes what was counted, and begins anew. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const entries = [...this.#entries.values(), ...this.#kinds.values()];
    this.#entries = new Map();
    this.#kinds = new Map();
    for (const { level, message, who, repeats } of entries) {
      if (repeats > 0) this.#log[level]({ ...who, repeats }, message);
    }
  }

  #folding(level: Level): ListenerLog[Level] {
    return ((fields: object | string, message?: string) => {
      // Without fields it is about no client.
      if (typeof fields === 'string') this.#log[level](fields);
      else if (this.#mayWrite(level, fields, message ?? '')) this.#log[level](fields, message);
    }) as ListenerLog[Level];
  }

  #mayWrite(level: Level, fields: object, message: string): boolean {
    this.#timer ??= setTimeout(() => this.flush(), WINDOW_MS).unref();
    const who = clientIn(fields);
    const kind = `${level} ${message}`;
    const all = entryOf(this.#kinds, kind, () => ({ level, message, who: {}, lines: 0, repeats: 0 }));
    const key = `${kind} ${Object.values(who).join()}`;
    const entry =
      this.#entries.size < KEYS_MAX || this.#entries.has(key)
        ? entryOf(this.#entries, key, () => ({ level, message, who, lines: 0, repeats: 0 }))
        : all;
    if (entry.lines >= LINES_MAX && entry !== all) {
      entry.repeats++;
      return false;
    }
    if (all.lines >= LINES_OF_KIND_MAX) {
      all.repeats++;
      return false;
    }
    all.lines++;
    if (entry !== all) entry.lines++;
    return true;
  }
}

function entryOf(entries: Map<string, Folded>, key: string, make: () => Folded): Folded {
  let entry = entries.get(key);
  if (entry === undefined) {
    entry = make();
    entries.set(key, entry);
  }
  return entry;
}

/** Who has caused a line. */
function clientIn(fields: object): object {
  for (const name of ['peer', 'proxy', 'principal', 'user']) {
    const value = (fields as Record<string, unknown>)[name];
    if (typeof value === 'string') return { [name]: value };
  }
  return {};
}
