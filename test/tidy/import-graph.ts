import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** An import of one source by another, type imports included. Paths from the root of the repository, with '/'. */
export interface Import {
  readonly from: string;
  readonly to: string;
}

/** Every relative import of `src/`, also `import('…')` in code and in types. */
export function importsOf(root: string): Import[] {
  const paths = globSync('src/**/*.ts', { cwd: root }).map(withSlashes).sort();
  const pattern = /(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g;
  return paths.flatMap((from) => {
    const text = readFileSync(join(root, from), 'utf8');
    return [...text.matchAll(pattern)].map((found) => ({
      from,
      to: withSlashes(normalize(join(dirname(from), found[1]))),
    }));
  });
}

/** The strongly connected components with more than one file (Tarjan's algorithm, without recursion), longest first. */
export function circlesIn(imports: readonly Import[]): string[][] {
  const targets = new Map<string, Set<string>>();
  for (const { from, to } of imports) {
    if (!targets.has(from)) targets.set(from, new Set());
    if (!targets.has(to)) targets.set(to, new Set());
    targets.get(from)!.add(to);
  }
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const circles: string[][] = [];
  const enter = (file: string) => {
    index.set(file, index.size);
    low.set(file, index.get(file)!);
    open.push(file);
    isOpen.add(file);
    return { file, next: targets.get(file)!.values() };
  };
  for (const start of targets.keys()) {
    if (index.has(start)) continue;
    const work = [enter(start)];
    while (work.length > 0) {
      const { file, next } = work.at(-1)!;
      const step = next.next();
      if (!step.done) {
        if (!index.has(step.value)) work.push(enter(step.value));
        else if (isOpen.has(step.value)) low.set(file, Math.min(low.get(file)!, index.get(step.value)!));
        continue;
      }
      work.pop();
      const below = work.at(-1);
      if (below !== undefined) low.set(below.file, Math.min(low.get(below.file)!, low.get(file)!));
      if (low.get(file) !== index.get(file)) continue;
      const circle = open.splice(open.lastIndexOf(file));
      for (const each of circle) isOpen.delete(each);
      if (circle.length > 1) circles.push(circle.sort());
    }
  }
  return circles.sort((a, b) => b.length - a.length);
}

function withSlashes(path: string): string {
  return path.replaceAll('\\', '/');
}
