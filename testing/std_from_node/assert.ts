// What the tests use of @std/assert, made of what Deno has built in: for where
// JSR is out of reach.

import {
  deepStrictEqual,
  match,
  notDeepStrictEqual,
  ok,
} from "node:assert/strict";

/** Fails if a condition does not hold. */
export function assert(
  condition: unknown,
  message?: string,
): asserts condition {
  ok(condition, message ?? "It does not hold");
}

/** Fails if two values differ, and shows the difference. */
export function assertEquals<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  explain(message, () => deepStrictEqual(actual, expected));
}

/** Fails if two values are equal. */
export function assertNotEquals<T>(actual: T, expected: T): void {
  notDeepStrictEqual(actual, expected);
}

/** Fails if a text does not match a pattern, and shows both. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  message?: string,
): void {
  explain(message, () => match(actual, expected));
}

/** Fails if a text does not contain another, and shows both. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  message?: string,
): void {
  const problem = `"${actual}" does not contain "${expected}"`;
  explain(message, () => ok(actual.includes(expected), problem));
}

/** Fails if nothing is thrown, or something else than is expected. */
export function assertThrows<E extends Error>(
  act: () => unknown,
  type: ErrorType<E>,
  words = "",
): E {
  try {
    act();
  } catch (error) {
    return check(error, type, words);
  }
  throw new Error(`${type.name} was expected, and nothing was thrown`);
}

/** The same for a promise. */
export async function assertRejects<E extends Error = Error>(
  act: () => PromiseLike<unknown>,
  type?: ErrorType<E>,
  words = "",
): Promise<E> {
  try {
    await act();
  } catch (error) {
    return check(error, type ?? Object as unknown as ErrorType<E>, words);
  }
  throw new Error(`${type?.name ?? "A rejection"} was expected, and none came`);
}

// deno-lint-ignore no-explicit-any
type ErrorType<E> = new (...args: any[]) => E;

function check<E extends Error>(
  error: unknown,
  type: ErrorType<E>,
  words: string,
): E {
  if (!(error instanceof type)) {
    throw new Error(`${type.name} was expected`, { cause: error });
  }
  assertStringIncludes(error.message ?? "", words);
  return error;
}

/** Puts a message before the difference. */
function explain(message: string | undefined, compare: () => void): void {
  try {
    compare();
  } catch (error) {
    if (message !== undefined) {
      (error as Error).message = `${message}: ${(error as Error).message}`;
    }
    throw error;
  }
}
