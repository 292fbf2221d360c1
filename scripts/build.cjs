// Builds `dist/` of the sources: what the package runs, and a checkout too as long as no source is newer. Written for whatever
// Node npm found. With `--if-possible`, as after `npm ci`: nothing is said where there is no compiler (`npm ci --omit=dev`), and
// sources that do not compile are no failure, as they run without.
'use strict';
const { spawnSync } = require('node:child_process');
const { existsSync, renameSync, rmSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
const [next, dist] = ['dist.next', 'dist'].map((name) => join(root, name));
const compiler = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'tsc.cmd' : 'tsc');
const ifPossible = process.argv.includes('--if-possible');

if (ifPossible && !existsSync(compiler)) process.exit(0);
rmSync(next, { recursive: true, force: true });
const { status } = spawnSync(compiler, ['-p', 'tsconfig.build.json', '--outDir', next], {
  cwd: root,
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
if (status === 0) {
  // A broker that runs on the last build may load a file of it at any time: it is gone for a moment only.
  rmSync(dist, { recursive: true, force: true });
  renameSync(next, dist);
} else {
  rmSync(next, { recursive: true, force: true });
  if (ifPossible) console.error('sluice: the sources were not built; bin/sluice runs them as they are');
  else process.exit(1);
}
