import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PRESENT_SOURCE = fileURLToPath(new URL('../..', import.meta.url));

interface PackageLock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly dev?: boolean }>>;
}

/** Why the source of `commit` cannot be run on this machine, if it cannot. */
export function reasonToSkip(commit: string): string | undefined {
  const inHistory = git('cat-file', '-e', `${commit}^{commit}`);
  if (inHistory.status !== 0) {
    const text = inHistory.error?.message ?? inHistory.stderr.toString().trim();
    return `the source of the earlier commit ${commit} is not in this repository's history (a shallow clone?): ${text}`;
  }
  const lacking = lackingDependencies(commit);
  return lacking.length === 0
    ? undefined
    : `the installed packages are not those of the earlier commit ${commit}: ${lacking.join(', ')}`;
}

/** Puts the source of `commit` into `directory`, to be run with the packages that are installed here. */
export function extractSource(commit: string, directory: string): void {
  mkdirSync(directory, { recursive: true });
  const archive = git('archive', '--format=tar', commit, 'bin', 'src', 'package.json', 'package-lock.json');
  if (archive.status !== 0) throw new Error(archive.stderr.toString());
  execFileSync('tar', ['-x', '-C', directory], { input: archive.stdout });
  symlinkSync(join(PRESENT_SOURCE, 'node_modules'), join(directory, 'node_modules'), 'junction');
}

/** Packages that the commit needs at run time and that are installed in another version, or not at all. */
function lackingDependencies(commit: string): string[] {
  const lock = JSON.parse(git('show', `${commit}:package-lock.json`).stdout.toString()) as PackageLock;
  return Object.entries(lock.packages).flatMap(([path, { version, dev }]) => {
    const manifest = join(PRESENT_SOURCE, path, 'package.json');
    // What is made for other platforms is not installed; a missing package that is needed ends the start, by its name.
    if (path === '' || dev === true || !existsSync(manifest)) return [];
    const installed = (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
    return installed === version ? [] : [`${path} ${installed} instead of ${version}`];
  });
}

function git(...args: readonly string[]) {
  return spawnSync('git', args, { cwd: PRESENT_SOURCE, maxBuffer: 256 * 1024 * 1024 });
}
