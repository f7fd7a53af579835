import { assertEquals } from "@std/assert";

/** Fails if a text of --help and a table of options do not name the same. */
export function assertHelp(help: string, options: Record<string, unknown>) {
  const named = help.slice(help.indexOf("Options:")).match(
    /(?<=\s)--[\w-]+(?= |$)/gm,
  )!;
  const all = Object.keys(options).map((name) => `--${name}`);
  assertEquals([...new Set(named)].sort(), all.sort());
}
