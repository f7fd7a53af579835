/**
 * Finds programs that the slow tests need and that are not part of Deno.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { runToEnd } from "../processes.ts";

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

/** Where Chromium is, on Linux, macOS and Windows. */
export const CHROMIUM: string | undefined = findTool("Chromium", [
  "/usr/bin/chromium",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
]);

/** Where Firefox is. Another one can be named by the environment. */
export const FIREFOX: string | undefined = findTool("Firefox", [
  Deno.env.get("FIREFOX") ?? "",
  "/usr/bin/firefox-esr",
  "/usr/bin/firefox",
  "/Applications/Firefox.app/Contents/MacOS/firefox",
  "C:\\Program Files\\Mozilla Firefox\\firefox.exe",
]);

/** Chromium has no sandbox for root, and must not use the internet. */
export const CHROME_FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Returns a port that is free now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Installs packages from npm into a folder that is removed afterwards. */
export async function install(...packages: string[]) {
  const folder = await Deno.makeTempDir();
  const { code, stderr } = await runToEnd(
    "npm",
    ["install", "--silent", "--prefix", folder, ...packages],
  );
  assertEquals(code, 0, stderr);
  return {
    folder,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}
