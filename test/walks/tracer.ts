import { Session } from 'node:inspector';
import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Entry, Order } from './trace.ts';

/**
 * Loaded before the broker (`node --import`), which it leaves as it is: V8 counts which functions run, then each of these
 * gets a breakpoint that never stops, as its condition notes the entry and is false. So the sources need not be parsed or
 * changed, and the order of the entries is known.
 *
 *     learn ── (the walk, a few times) ── arm ── start ── (the walk) ── stop ── start ── …
 */
const root = process.env.WALK_ROOT ?? process.cwd();
const session = new Session();
session.connect();

interface Place {
  readonly file: string;
  readonly name: string;
}

const scripts = new Map<string, string>();
const places: Place[] = [];
let entries: Entry[] | null = null;

function post<T>(method: string, params: object = {}): T {
  let result: unknown;
  let failure: Error | null = null;
  session.post(method, params, (error, value) => {
    failure = error;
    result = value;
  });
  if (failure !== null) throw failure;
  return result as T;
}

/** A file of the broker from the root of its checkout, or null for any other. */
function fileOf(url: string | null | undefined): string | null {
  if (!url?.startsWith('file:')) return null;
  const path = relative(root, fileURLToPath(url)).split(sep).join('/');
  return path.startsWith('src/') ? path : null;
}

function learn(): void {
  session.on('Debugger.scriptParsed', ({ params }) => {
    const file = fileOf(params.url);
    if (file !== null) scripts.set(params.scriptId, file);
  });
  post('Debugger.enable');
  post('Profiler.enable');
  post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
}

interface Coverage {
  readonly result: readonly {
    readonly scriptId: string;
    readonly functions: readonly {
      readonly functionName: string;
      readonly ranges: readonly { startOffset: number; endOffset: number; count: number }[];
    }[];
  }[];
}

/** Returns how many functions are watched. */
function arm(): number {
  const { result } = post<Coverage>('Profiler.takePreciseCoverage');
  post('Profiler.stopPreciseCoverage');
  for (const { scriptId, functions } of result) {
    const file = scripts.get(scriptId);
    if (file === undefined) continue;
    const { scriptSource } = post<{ scriptSource: string }>('Debugger.getScriptSource', { scriptId });
    const lines = lineStarts(scriptSource);
    for (const { functionName, ranges } of functions) {
      const [range] = ranges;
      // What runs once at load is no function: the module itself.
      if (range === undefined || range.count === 0 || range.startOffset === 0) continue;
      watch(scriptId, { file, name: functionName }, lines, range.startOffset, range.endOffset);
    }
  }
  return places.length;
}

function watch(scriptId: string, place: Place, lines: readonly number[], from: number, to: number): void {
  const { locations } = post<{ locations: readonly object[] }>('Debugger.getPossibleBreakpoints', {
    start: { scriptId, ...positionOf(lines, from) },
    end: { scriptId, ...positionOf(lines, to) },
    restrictToFunction: true,
  });
  const [location] = locations;
  if (location === undefined) return;
  const id = places.push(place) - 1;
  try {
    post('Debugger.setBreakpoint', { location, condition: `globalThis.__enteredFunction(${id})` });
  } catch {
    // A getter of a class and an initialiser may share their first place: it is watched already.
  }
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function positionOf(lines: readonly number[], offset: number): { lineNumber: number; columnNumber: number } {
  let low = 0;
  let high = lines.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (lines[middle] <= offset) low = middle;
    else high = middle - 1;
  }
  return { lineNumber: low, columnNumber: offset - lines[low] };
}

/** What the clock starts from time to time, and no message: on a slow machine it falls into a walk. */
const BY_THE_CLOCK = new Set([
  'src/log/files/free-disk-space.ts',
  // Told of long stretches alone; when each function is watched, all are long.
  'src/broker/budget/loop-stretches.ts',
  // As is the time of a socket that is read.
  'src/servers/amqp091/connection/connection-blocked.ts',
]);

/** The files whose functions are being executed, the innermost first; null if a timer has called them. */
function filesOnStack(): string[] | null {
  const holder: { stack?: unknown } = {};
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = 60;
  let isTimer = false;
  Error.prepareStackTrace = (_, sites) => {
    isTimer = sites.some((site) => site.getFunctionName() === 'listOnTimeout');
    return sites.map((site) => fileOf(site.getFileName()));
  };
  Error.captureStackTrace(holder, entered);
  const files = holder.stack as (string | null)[];
  Error.prepareStackTrace = prepareStackTrace;
  Error.stackTraceLimit = stackTraceLimit;
  return isTimer ? null : files.filter((file) => file !== null);
}

function entered(id: number): false {
  if (entries === null) return false;
  const { file, name } = places[id];
  if (BY_THE_CLOCK.has(file)) return false;
  const files = filesOnStack();
  if (files !== null && !files.some((each) => BY_THE_CLOCK.has(each)))
    entries.push({ file, name, callers: files.slice(1) });
  return false;
}
Object.assign(globalThis, { __enteredFunction: entered });

process.on('message', (order: Order) => {
  if (order === 'learn') learn();
  else if (order === 'start') entries = [];
  const answer = order === 'arm' ? arm() : order === 'stop' ? entries : null;
  if (order === 'stop') entries = null;
  process.send?.(answer);
});
