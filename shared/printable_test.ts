import { assertEquals } from "@std/assert";
import { printable } from "./printable.ts";

Deno.test("printable() leaves ordinary text of any script as it is", () => {
  for (
    const text of [
      "",
      "Hello World!",
      String.raw`{"path": "C:\\new"}`,
      "Grüße, Ελλάδα, Привет, नमस्ते, 日本語",
      "שלום\u{200f} سلام می\u{200c}خواهم",
      "👩‍💻 🏳️‍🌈 🇺🇳 👍🏽",
    ]
  ) assertEquals(printable(text), text);
});

Deno.test("printable() escapes what moves a cursor or starts a line", () => {
  assertEquals(printable("a\nb\r\nc\td"), "a\\nb\\r\\nc\\td");
  assertEquals(
    printable("\0\b\x1b[2J\x7f\x9b2J"),
    "\\u0000\\u0008\\u001b[2J\\u007f\\u009b2J",
  );
  assertEquals(printable("\u2028\u2029\x85"), "\\u2028\\u2029\\u0085");
});

Deno.test("printable() escapes bidirectional overrides and lone surrogates", () => {
  assertEquals(printable("\u202egnp.exe\u202c"), "\\u202egnp.exe\\u202c");
  assertEquals(printable("\u2066\u2069"), "\\u2066\\u2069");
  assertEquals(printable("\ud83d!\udc4d"), "\\ud83d!\\udc4d");
});

Deno.test("printable() shows the size of bytes, and the first of them", () => {
  const bytes = (length: number) =>
    Uint8Array.from({ length }, (_, i) => i * 15).buffer;
  assertEquals(printable(bytes(0)), "0 bytes");
  assertEquals(printable(bytes(1)), "1 byte: 00");
  assertEquals(
    printable(bytes(16)),
    "16 bytes: 00 0f 1e 2d 3c 4b 5a 69 78 87 96 a5 b4 c3 d2 e1",
  );
  assertEquals(
    printable(bytes(17)),
    "17 bytes: 00 0f 1e 2d 3c 4b 5a 69 78 87 96 a5 b4 c3 d2 e1 …",
  );
});

Deno.test("printable() shows the beginning of a long text, and its length", () => {
  const text = "\n".repeat(10_000);
  assertEquals(printable(text), "\\n".repeat(10_000));
  assertEquals(
    printable(`${text}\n`),
    `${"\\n".repeat(10_000)}… (10,001 characters)`,
  );
  assertEquals(printable("abc", 2), "ab… (3 characters)");
});

Deno.test("printable() shows what a WebSocket makes of anything else", () => {
  for (
    const [data, text] of [[1, "1"], [{}, "[object Object]"], [null, "null"]]
  ) assertEquals(printable(data as unknown as string), text);
});
