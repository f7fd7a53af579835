// What the tests use of @std/testing, for where JSR is out of reach.

/** A method that was replaced, until it goes out of scope. */
interface Stub extends Disposable {
  // deno-lint-ignore no-explicit-any
  calls: { args: any[] }[];
}

/** Replaces a method, and notes its calls. */
export function stub<T, K extends keyof T>(
  object: T,
  method: K,
  replacement: T[K],
): Stub {
  const original = object[method];
  const calls: Stub["calls"] = [];
  object[method] = ((...args: unknown[]) => {
    calls.push({ args });
    return (replacement as (...args: unknown[]) => unknown)(...args);
  }) as T[K];
  return { calls, [Symbol.dispose]: () => void (object[method] = original) };
}
