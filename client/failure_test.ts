import { assertEquals } from "@std/assert";
import {
  ConversationError,
  describeClose,
  describeDrop,
  describeWrongChoice,
  withoutCredentials,
} from "./failure.ts";

Deno.test("describeClose() names the code, and escapes the reason", () => {
  const describe = (code: number, reason = "") =>
    describeClose({ code, reason });
  assertEquals(describe(1000), "1000 (normal closure)");
  assertEquals(describe(1011, "boom"), '"boom", 1011 (internal error)');
  assertEquals(describe(1001, "\n"), '"\\n", 1001 (going away)');
  assertEquals(describe(0), "1006 (abnormal closure)");
  const names = [
    ...[1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011],
    ...[1012, 1013, 1014, 1015, 3000, 3003, 3008],
  ].map((code) => describe(code).slice(5));
  assertEquals(names, [
    "(normal closure)",
    "(going away)",
    "(protocol error)",
    "(unsupported data)",
    "(no status received)",
    "(abnormal closure)",
    "(invalid frame payload data)",
    "(policy violation)",
    "(message too big)",
    "(mandatory extension)",
    "(internal error)",
    "(service restart)",
    "(try again later)",
    "(bad gateway)",
    "(TLS handshake)",
    "(unauthorized)",
    "(forbidden)",
    "(timeout)",
  ]);
  assertEquals(describe(3999), "3999 (unregistered)");
  assertEquals(describe(4000), "4000 (private use)");
});

Deno.test("describeDrop() says what the server did wrong, unless it only went away", () => {
  const dropped = "The connection dropped, no close frame came (1006)";
  const broke = "The server broke the WebSocket protocol";
  for (
    const [message, expected] of [
      ["", dropped],
      ["Unexpected EOF", dropped],
      ["Connection reset by peer (os error 104)", dropped],
      ["Broken pipe (os error 32)", dropped],
      ["forcibly closed by the remote host. (os error 10054)", dropped],
      ["Software caused connection abort: aborted", dropped],
      ["Socket is not connected (os error 57)", dropped],
      ["Connection timed out (os error 110)", dropped],
      ["No route to host (os error 113)", dropped],
      ["(os error 100530)", `${broke}: (os error 100530)`],
      ["Reserved bits are not zero", `${broke}: Reserved bits are not zero`],
      ["a\x1b", `${broke}: a\\u001b`],
    ]
  ) assertEquals(describeDrop(message!), expected);
  // On Windows, the words are in the user's language.
  for (const code of [32, 54, 60, 104, 110, 113, 10053, 10054, 10060, 10065]) {
    assertEquals(describeDrop(`\u041f (os error ${code})`), dropped);
  }
});

Deno.test("describeWrongChoice() wants an offered subprotocol and no extension", () => {
  const describe = (protocol: string, extensions: string, offer: string[]) =>
    describeWrongChoice({ protocol, extensions }, offer, (text) => `<${text}>`);
  assertEquals(describe("", "", []), undefined);
  assertEquals(describe("b", "", ["a", "b"]), undefined);
  assertEquals(
    describe("", "", ["a"]),
    "The server chose none of the subprotocols that were offered",
  );
  assertEquals(
    describe("\x1b", "", ["a"]),
    "The server chose a subprotocol that was not offered: <\x1b>",
  );
  assertEquals(
    describe("", "\x1b", []),
    "The server chose an extension that was not offered: <\x1b>",
  );
});

Deno.test("ConversationError carries what a program branches on", () => {
  const { name, message, ...rest } = new ConversationError("It failed", {
    stage: "messages",
    status: 404,
    closeCode: 1006,
    timedOut: true,
  });
  assertEquals([name, message], ["ConversationError", "It failed"]);
  assertEquals(rest, {
    stage: "messages",
    status: 404,
    closeCode: 1006,
    timedOut: true,
  });
  assertEquals(new ConversationError("It failed").timedOut, false);
});

Deno.test("withoutCredentials() also takes what is not a URL", () => {
  for (
    const [text, expected] of [
      ["ws://me:secret@a:99999", "ws://a:99999"],
      ["ws:\\\\me:secret@a", "ws://a/"],
      ["me:secret@a", "me://a"],
      ["nonsense", "nonsense"],
      ["a\nb", "a\nb"],
    ]
  ) assertEquals(withoutCredentials(text!), expected);
});
