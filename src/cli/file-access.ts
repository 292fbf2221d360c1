import { accessSync, constants, lstatSync, readFileSync, type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { quoted } from '../log/operator-advice.ts';

/**
 * Why this process may not use a path, for an operator: whose it is, with which mode, who the process is, and what to
 * do. Where the path is not there, of the nearest directory above it that is. Null where no owner can be told (Windows).
 */
export function accessProblem(path: string): string | null {
  const uid = process.geteuid?.();
  if (uid === undefined) return null;
  try {
    const culprit = culpritOf(resolve(path));
    const stats = statSync(culprit);
    const isDirectory = stats.isDirectory();
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
    const needed = isDirectory ? 'read, write and search it' : 'read and write it';
    const owner = userName(stats.uid);
    const advice =
      stats.uid === uid
        ? `allow it with \`chmod u+rw${isDirectory ? 'x' : ''} ${culprit}\``
        : `run as ${owner}, or give it to this user with \`chown -R ${uid} ${culprit}\``;
    return (
      `${isDirectory ? 'directory' : 'file'} '${culprit}' belongs to ${owner} and has mode ${mode}; ` +
      `this process is ${userName(uid)} and has to ${needed}: ${advice}`
    );
  } catch {
    return null;
  }
}

/**
 * What stands where a directory should be, on the way to the path, or at its end where something else should be; and
 * what to do.
 */
export function whatIsInTheWay(path: string): string {
  const place = obstacleIn(resolve(path)) ?? resolve(path);
  return (
    `'${place}' is in the way: ${kindOf(place)}. ` +
    `If nothing uses it, move it away: mv -- ${quoted(place)} ${quoted(`${place}.old`)}`
  );
}

/** The first on the way to the path, or the path itself, that leads to no directory; null if all do. */
function obstacleIn(path: string): string | null {
  const parent = dirname(path);
  const above = parent === path ? null : obstacleIn(parent);
  if (above !== null) return above;
  try {
    return statSync(path).isDirectory() ? null : path;
  } catch {
    return path;
  }
}

function kindOf(path: string): string {
  try {
    return kindOfStats(lstatSync(path));
  } catch {
    return 'it cannot be looked at';
  }
}

function kindOfStats(stats: Stats): string {
  if (stats.isDirectory()) return 'it is a directory';
  if (stats.isSymbolicLink()) return 'it is a symbolic link that leads to nothing usable here';
  if (stats.isFIFO()) return 'it is a pipe';
  if (stats.isSocket()) return 'it is a socket';
  return stats.isFile() ? 'it is a file, and not a directory' : 'it is a device';
}

/** The first directory on the way that cannot be searched; else the path itself, or the last that is there. */
function culpritOf(path: string): string {
  const parent = dirname(path);
  if (parent !== path) {
    const above = culpritOf(parent);
    if (above !== parent || !isAllowed(parent, constants.X_OK)) return above;
  }
  try {
    statSync(path);
    return path;
  } catch {
    return parent;
  }
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** `user 'sluice' (uid 999)`, by the machine's own list; of users who are in none of it the number. */
function userName(uid: number): string {
  try {
    for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
      const [name, , id] = line.split(':');
      if (id === String(uid)) return `user '${name}' (uid ${uid})`;
    }
  } catch {
    // No such list.
  }
  return `the user with uid ${uid}`;
}
