import { readdirSync, readFileSync } from 'node:fs';
import type { DescriptorUse } from '../../broker/budget/descriptors.ts';

/** Where the open descriptors of the process are listed: on Linux; on macOS and the BSDs. */
const DESCRIPTOR_DIRECTORIES = ['/proc/self/fd', '/dev/fd'];
/** What a process has open at its start where that cannot be told. */
const USUALLY_IN_USE = 32;

/** How many descriptors this process may have, and has. Node itself has raised the soft limit to the hard one. */
export function descriptorUse(): DescriptorUse {
  return { limit: linuxLimit() ?? reportedLimit(), inUse: inUse() };
}

/** `Max open files   1024   524288   files`: the soft limit and the hard one. */
function linuxLimit(): number | undefined {
  try {
    const limit = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    if (limit === undefined) return undefined;
    return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
  } catch {
    return undefined;
  }
}

interface Report {
  readonly userLimits?: { readonly open_files?: { readonly soft: number | string } };
}

/** Windows reports none: its handles are limited by memory alone. */
function reportedLimit(): number {
  const report = process.report.getReport() as Report;
  const soft = report.userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : Number.POSITIVE_INFINITY;
}

function inUse(): number {
  for (const directory of DESCRIPTOR_DIRECTORIES) {
    try {
      return readdirSync(directory).length;
    } catch {
      // There is none here.
    }
  }
  return USUALLY_IN_USE;
}
