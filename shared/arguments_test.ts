import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseFlags, parseSeconds, quote } from "./arguments.ts";
import { UsageError } from "./exit.ts";

const OPTIONS = { port: { type: "string" } } as const;

Deno.test("parseFlags() reads options", () => {
  const { values } = parseFlags({ args: ["--port", "1"], options: OPTIONS });
  assertEquals(values.port, "1");
});

Deno.test("parseFlags() says in one line what is wrong", () => {
  for (
    const [args, words] of [
      [["--no\x1b"], "'--no\\u001b'"],
      [["--port"], "'--port <value>'"],
      [["--port", "-1"], "--port=VALUE"],
      [["-hello"], 'Unknown option "-hello" ('],
      [["-h\x1b"], "-h\\u001b"],
      [["-x"], '"-x"'],
      [["8000"], "'8000'"],
    ] as [string[], string][]
  ) {
    const error = assertThrows(
      () => parseFlags({ args, options: OPTIONS }),
      UsageError,
      words,
    );
    assertMatch(error.message, /^[^\n]+ \(see --help\)$/);
  }
});

Deno.test("parseSeconds() returns milliseconds", () => {
  assertEquals(parseSeconds("--pause", "1.5", 0), 1500);
  assertEquals(parseSeconds("--pause", "0", 0), 0);
  assertEquals(parseSeconds("--timeout", "0.001", 0.001), 1);
  assertEquals(parseSeconds("--timeout", "2147483", 0.001), 2_147_483_000);
});

Deno.test("parseSeconds() wants a number that a timer can take", () => {
  for (const text of ["", " ", "soon", "-1", "0", "NaN", "1e9", "2147484"]) {
    const error = assertThrows(
      () => parseSeconds("--timeout", text, 0.001),
      UsageError,
    );
    assertEquals(
      error.message,
      `--timeout takes a number of seconds from 0.001 to 2147483, not "${text}"`,
    );
  }
});

Deno.test("quote() makes a text safe to print", () => {
  assertEquals(quote("a\x1b"), '"a\\u001b"');
});
