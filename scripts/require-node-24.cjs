// Runs on whatever Node npm found, so it is written for old ones. npm puts node_modules/.bin first on the PATH of
// its scripts: the Node 24 that `npm ci` brought along is the one that should be seen here.
'use strict';
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  console.error(
    `Sluice needs Node 24 or newer; this is ${process.version} on ${process.platform}-${process.arch}.\n` +
      'npm ci brings Node 24 along for Linux (x64, arm64), macOS (x64) and Windows (x64), unless it ran with --omit=optional.\n' +
      'On other machines install Node 24 from https://nodejs.org and put it first on the PATH.',
  );
  process.exit(1);
}
