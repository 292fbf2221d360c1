/** For people, beside the output: that a command was right and changed nothing, or nothing yet. */
export function note(text: string): void {
  process.stderr.write(`sluice: note: ${text}\n`);
}
