/**
 * How long a test waits for what has to come: longer than any machine takes, as it costs time only where the test fails. What
 * must come soon is counted in turns or steps, and not in milliseconds.
 */
export const PATIENCE_MS = 30_000;

/** Waits until a condition holds; fails when it does not within `PATIENCE_MS`. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not so within ${PATIENCE_MS} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
