/** Waits for what the broker does in its own time. @throws with what was found last if it does not come to pass. */
export async function eventually<Found>(
  find: () => Promise<Found> | Found,
  isRight: (found: Found) => boolean,
  what: string,
): Promise<Found> {
  for (const deadline = performance.now() + 60_000; ; ) {
    const found = await find();
    if (isRight(found)) return found;
    if (performance.now() > deadline) throw new Error(`${what}: ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
