// The npm package comes without types: these are for what the tests use.

/** A method that was replaced, until it goes out of scope. */
export interface Stub extends Disposable {
  // deno-lint-ignore no-explicit-any
  calls: { args: any[] }[];
}

export function stub<T, K extends keyof T>(
  object: T,
  method: K,
  replacement: T[K],
): Stub;
