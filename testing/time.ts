/**
 * Delays and deadlines.
 *
 * @module
 */

export { delay } from "../shared/delay.ts";

/** Rejects if a promise is still pending after so many milliseconds. */
export async function deadline<T>(
  promise: Promise<T>,
  milliseconds: number,
): Promise<T> {
  let timer;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`It took more than ${milliseconds} ms`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
