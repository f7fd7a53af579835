/**
 * Finds programs that the slow tests need and that are not part of Deno.
 *
 * @module
 */

/**
 * Returns the first path that exists. If there is none, says what to install:
 * the tests that need it are skipped, but in CI they fail.
 *
 * @param name The name of the program.
 * @param paths Where it can be.
 */
export function findTool(name: string, paths: string[]): string | undefined {
  const found = paths.find(isFile);
  if (found !== undefined) return found;
  const problem = `The tests with ${name} cannot run: install ${name}`;
  if (Deno.env.has("CI")) throw new Error(problem);
  console.warn(problem);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
