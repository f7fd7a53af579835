// The npm package comes without types: these are for what the tests use.

export function assert(condition: unknown, message?: string): asserts condition;

export function assertEquals<T>(
  actual: T,
  expected: T,
  message?: string,
): void;

export function assertMatch(
  actual: string,
  expected: RegExp,
  message?: string,
): void;

export function assertStringIncludes(
  actual: string,
  expected: string,
  message?: string,
): void;

export function assertRejects(fn: () => PromiseLike<unknown>): Promise<unknown>;
export function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  type: new (...args: any[]) => E,
  includes?: string,
): Promise<E>;

export function assertThrows<E extends Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  type: new (...args: any[]) => E,
  includes?: string,
): E;

export function assertNotEquals<T>(actual: T, expected: T): void;
