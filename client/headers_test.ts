import { assertEquals, assertThrows } from "@std/assert";
import { checkHeader, withHeaders, withoutSecrets } from "./headers.ts";

Deno.test("checkHeader() takes what HTTP allows", () => {
  for (
    const [name, value] of [
      ["Authorization", "Bearer abc"],
      ["x-!#$%&'*+.^_`|~1", ""],
      ["Cookie", "a=b; c=\t\u00e9"],
      ["Origin", "https://example.org"],
    ]
  ) assertEquals(checkHeader(name!, value!), undefined);
});

Deno.test("checkHeader() names what is wrong, and never a value", () => {
  const needsName =
    'a header needs a name, as in "Authorization: Bearer TOKEN"';
  const reserved = (name: string) =>
    `the header ${name} is set by the WebSocket itself`;
  const bad =
    "the value of the header A has a line break or another character that HTTP does not allow";
  for (
    const [name, value, problem] of [
      ["", "secret", needsName],
      ["a b", "secret", needsName],
      ["\u00e9", "secret", needsName],
      ["Host", "secret", reserved("Host")],
      ["sec-websocket-key", "secret", reserved("sec-websocket-key")],
      ["CONNECTION", "secret", reserved("CONNECTION")],
      ["Upgrade", "secret", reserved("Upgrade")],
      ["Content-Length", "secret", reserved("Content-Length")],
      ["Transfer-Encoding", "secret", reserved("Transfer-Encoding")],
      ["A", "secret\r\nB: c", bad],
      ["A", "secret\0", bad],
      ["A", "secret\x7f", bad],
      ["A", "\u20ac", bad],
    ]
  ) assertEquals(checkHeader(name!, value!), problem);
});

Deno.test("withoutSecrets() takes out what a server repeats", () => {
  const basic = btoa("user:password");
  const headers = {
    Authorization: "Bearer token-1",
    Cookie: "a=session1; b=2",
    Origin: "https://example.org",
  };
  for (
    const [text, expected] of [
      ["Authorization: Bearer token-1!", "Authorization: …!"],
      ["no token-1, no token-1", "no …, no …"],
      ["cookie session1 b", "cookie … b"],
      ["https://example.org is forbidden", "https://example.org is forbidden"],
      [`Basic ${basic}, password`, "Basic …, …"],
      ["Nothing of it", "Nothing of it"],
    ]
  ) {
    const url = "wss://user:password@a/";
    assertEquals(withoutSecrets(text!, url, headers), expected);
  }
  assertEquals(withoutSecrets("text", "ws://a/"), "text");
});

Deno.test("withHeaders() leaves the protocols alone if there are no headers", () => {
  const protocols = ["a"];
  assertEquals(withHeaders(protocols) === protocols, true);
  assertEquals(withHeaders(protocols, {}) === protocols, true);
});

Deno.test("withHeaders() rejects headers that are not valid", () => {
  assertThrows(() => withHeaders([], { Host: "a" }), TypeError, "Host");
});

Deno.test("withHeaders() returns what a browser cannot turn into a protocol", () => {
  const options = withHeaders(["a"], { b: "c" });
  assertThrows(
    () => `${options}`,
    TypeError,
    "a browser sends no other headers with a WebSocket than its own",
  );
});
