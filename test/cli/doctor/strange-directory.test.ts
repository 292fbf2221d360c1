import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { KINDS, makeTemplate, NAMES, runOnStrange } from './strange-directory.ts';

const START = ['start', '--amqp-port', '0', '--kafka-port', 'off'];
const COMMANDS: readonly (readonly string[])[] = [START, ['doctor'], ['queues', 'list']];
/** Of all names, kinds and commands one in so many is run, other ones for each name; `STRANGE=all` runs all. */
const ONE_IN = process.env.STRANGE === 'all' ? 1 : 7;

/** Commands or flags that an operator is told to use. */
const NEXT_STEP =
  /doctor --data-dir '|mv -- '|rm -r -- '|chmod u\+|chown |mkdir '|see --data-dir|start one with `sluice start`/;

interface Strange {
  readonly name: string;
  readonly kind: string;
  readonly words: readonly string[];
}

/** What went wrong once. */
const KNOWN: readonly Strange[] = [
  { name: 'sluice.lock.holder', kind: 'a pipe', words: START },
  { name: 'sluice.lock.holder', kind: 'a directory with a file in it', words: START },
  { name: 'control.path', kind: 'a pipe', words: START },
  { name: 'control.path', kind: 'a pipe', words: ['queues', 'list'] },
  { name: 'logs', kind: 'an empty file', words: START },
  { name: 'logs', kind: 'an empty file', words: ['doctor'] },
  { name: 'set-aside', kind: 'an empty file', words: START },
  { name: 'set-aside', kind: 'a file of something else', words: ['doctor'] },
];

function* chosen(): Iterable<Strange> {
  yield* KNOWN;
  let count = 0;
  for (const name of NAMES) {
    for (const kind of Object.keys(KINDS)) {
      for (const words of COMMANDS) {
        // Nothing else is looked at by it.
        if (words[0] === 'queues' && !['', 'control.sock', 'control.path'].includes(name)) continue;
        if (count++ % ONE_IN !== 0) continue;
        const isKnown = KNOWN.some(
          (each) => each.name === name && each.kind === kind && each.words === words,
        );
        if (!isKnown) yield { name, kind, words };
      }
    }
  }
}

describe('a data directory with something else in the place of a name', {
  skip: process.platform === 'win32',
  concurrency: 2,
}, () => {
  let scratch: string;
  let runs = 0;

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'sluice-strange-'));
    chmodSync(scratch, 0o755);
    mkdirSync(join(scratch, 'cache'));
    chmodSync(join(scratch, 'cache'), 0o777);
    await makeTemplate(join(scratch, 'template'));
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  for (const strange of chosen()) {
    const { name, kind, words } = strange;
    const what = name === '' ? 'the directory itself' : name;
    it(`${kind} for ${what}: \`sluice ${words.slice(0, 2).join(' ')}\` ends, or tells what, where, and what to do`, async () => {
      const home = join(scratch, `home${runs++}`);
      const places = { template: join(scratch, 'template'), cache: join(scratch, 'cache'), home };
      const { status, isReady, hangs, text, path } = await runOnStrange(places, strange);
      assert.ok(!hangs, `it hangs: ${text}`);
      assert.ok(!text.includes('\n    at '), text);
      if (status === 0) {
        assert.equal(isReady, words === START, text);
        return;
      }
      assert.equal(status, 1, text);
      assert.ok(!isReady, text);
      // What is missing, or is told of, may be a file in it.
      const isNamed = text.includes(path) || /no broker runs on the data directory/.test(text);
      assert.ok(isNamed, `${path} is not named: ${text}`);
      assert.match(text, NEXT_STEP);
    });
  }
});
