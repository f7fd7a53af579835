import { assertEquals, assertThrows } from "@std/assert";
import { checkHeader, handshakeOptions } from "./headers.ts";

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

Deno.test("handshakeOptions() leaves the protocols alone if there is nothing else", () => {
  const protocols = ["a"];
  assertEquals(handshakeOptions({ protocols }) === protocols, true);
  assertEquals(handshakeOptions({ protocols, headers: {} }), protocols);
  assertEquals(handshakeOptions({}), []);
});

Deno.test("handshakeOptions() rejects headers that are not valid", () => {
  const options = { headers: { Host: "a" } };
  assertThrows(() => handshakeOptions(options), TypeError, "Host");
});

Deno.test("handshakeOptions() returns what a browser cannot turn into a protocol", () => {
  const options = handshakeOptions({ protocols: ["a"], headers: { b: "c" } });
  assertThrows(
    () => `${options}`,
    TypeError,
    "a browser sends no other headers with a WebSocket than its own",
  );
});

Deno.test("handshakeOptions() hands on what makes the connection", () => {
  using client = Deno.createHttpClient({});
  assertEquals(Object.entries(handshakeOptions({ client })).slice(0, 3), [
    ["protocols", []],
    ["headers", {}],
    ["client", client],
  ] as unknown as [string, string][]);
});
