/** An error in the shape of Node's own from the system. */
export function systemError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code, syscall: operation, path });
}

/** Node's error about a descriptor, which names no file: with the file, and the byte at which the operation began. */
export function withPlace<E extends Error>(error: E, operation: string, path: string, position?: number): E {
  const place = position === undefined ? '' : ` at byte ${position}`;
  error.message = `${error.message} '${path}'${place}`;
  return Object.assign(error, { path, syscall: operation, ...(position !== undefined && { position }) });
}

/** There is no room, on the disk or in a quota: it can be waited for. */
export function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
