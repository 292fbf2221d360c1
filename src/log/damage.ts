/** A file of the data directory is not what was written to it. Nothing is guessed around it: the start stops. */
export class DamageError extends Error {
  readonly path: string;
  readonly offset: number;
  readonly what: string;

  constructor(path: string, offset: number, what: string) {
    super(
      `${path} is damaged at byte ${offset}: ${what}. ` +
        'Run `sluice doctor` on the data directory to see what is affected.',
    );
    this.name = 'DamageError';
    this.path = path;
    this.offset = offset;
    this.what = what;
  }
}
