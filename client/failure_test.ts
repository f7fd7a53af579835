import { assertEquals } from "@std/assert";
import {
  ConversationError,
  describeClose,
  describeDrop,
  describeRefusal,
  describeWrongChoice,
  withoutCredentials,
} from "./failure.ts";

Deno.test("describeClose() names the code, and escapes the reason", () => {
  const describe = (code: number, reason = "") =>
    describeClose({ code, reason });
  assertEquals(describe(1000), "1000 (normal closure)");
  assertEquals(describe(1011, "boom"), '1011 (internal error) "boom"');
  assertEquals(describe(1001, "\n"), '1001 (going away) "\\n"');
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
  for (
    const [message, expected] of [
      ["", dropped],
      ["Unexpected EOF", dropped],
      ["Connection reset by peer (os error 104)", dropped],
      ["Broken pipe (os error 32)", dropped],
      ["forcibly closed by the remote host. (os error 10054)", dropped],
      ["Software caused connection abort: aborted", dropped],
      ["Socket is not connected (os error 57)", dropped],
      ["(os error 100530)", `${dropped}: (os error 100530)`],
      ["Reserved bits are not zero", `${dropped}: Reserved bits are not zero`],
      ["a\x1b", `${dropped}: a\\u001b`],
      [
        "Failed to send frame",
        "The server had closed the connection when a message was sent",
      ],
    ]
  ) assertEquals(describeDrop(message!), expected);
  // On Windows, the words are in the user's language.
  for (const code of [32, 53, 54, 57, 104, 10053, 10054, 10057, 10060]) {
    assertEquals(describeDrop(`\u041f (os error ${code})`), dropped);
  }
});

Deno.test("describeWrongChoice() wants an offered subprotocol and no extension", () => {
  const describe = (protocol: string, extensions: string, offer: string[]) =>
    describeWrongChoice({ protocol, extensions }, offer);
  assertEquals(describe("", "", []), undefined);
  assertEquals(describe("b", "", ["a", "b"]), undefined);
  assertEquals(
    describe("", "", ["a"]),
    "The server chose none of the subprotocols that were offered",
  );
  assertEquals(
    describe("\x1b", "", ["a"]),
    "The server chose a subprotocol that was not offered: \\u001b",
  );
  assertEquals(
    describe("", "\x1b", []),
    "The server chose an extension that was not offered: \\u001b",
  );
});

const PREFIX = "NetworkError: failed to connect to WebSocket: ";

Deno.test("describeRefusal() says what Deno's messages mean", async () => {
  const certificate = "The server's TLS certificate";
  for (
    const [url, message, expected] of [
      ["ws://a/", "", "Could not connect (the cause is not known here)"],
      ["ws://a/", "dns error", 'Host "a" not found (check the spelling)'],
      [
        "ws://a/",
        "tcp connect error",
        "Connection refused or host unreachable (is the server running, and the proxy if HTTP_PROXY is set?)",
      ],
      [
        "wss://a/",
        "Failed opening CA file: No such file",
        "The file given with --cert cannot be used: Failed opening CA file: No such file",
      ],
      [
        "wss://a/",
        "proxy authentication required",
        "The server answered HTTP 407 instead of 101 (the proxy wants credentials)",
      ],
      [
        "wss://a/",
        "invalid peer certificate: certificate expired: verification time 9",
        `${certificate} has expired`,
      ],
      [
        "wss://a/",
        'invalid peer certificate: certificate not valid for name "a"; certificate is only valid for DnsName("b\x1b")',
        `${certificate} is for another host name: b\\u001b`,
      ],
      [
        "wss://a/",
        "invalid peer certificate: NotValidForName: not valid for name",
        `${certificate} is for another host name`,
      ],
      [
        "wss://a/",
        "invalid peer certificate: UnknownIssuer",
        `${certificate} is from an unknown authority (for a private one: deno run --cert CA.pem)`,
      ],
      [
        "wss://a/",
        "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
        `${certificate} is that of an authority (make it with basicConstraints=CA:FALSE)`,
      ],
      [
        "wss://a/",
        "invalid peer certificate: Bad\x1bEncoding",
        `${certificate} is not valid: invalid peer certificate: Bad\\u001bEncoding`,
      ],
      [
        "wss://a/",
        "received fatal alert: ProtocolVersion",
        "The server does not speak TLS 1.2 or 1.3, which Deno needs",
      ],
      [
        "wss://me:secret@a/",
        "received corrupt message of type InvalidContentType",
        "The server does not speak TLS there (try ws://a/)",
      ],
      [
        "ws://me:secret@a/",
        "invalid HTTP version parsed",
        "The server's answer is not HTTP/1.1 (if it speaks TLS, try wss://a/)",
      ],
      [
        "ws://a/",
        "operation was canceled",
        "The server's answer is not HTTP/1.1 (if it speaks TLS, try wss://a/)",
      ],
      [
        "ws://a/",
        "connection error",
        "The server reset the connection without an answer (if it wants TLS, try wss://a/)",
      ],
      ...[54, 104, 10054].map((code) =>
        [
          "ws://a/",
          `\u041f (os error ${code})`,
          "The server reset the connection without an answer (if it wants TLS, try wss://a/)",
        ] as const
      ),
      [
        "ws://a/",
        "\u041f (os error 10053)",
        "The server closed the connection without an answer (if it wants TLS, try wss://a/)",
      ],
      [
        "ws://a/",
        "connection closed before message completed",
        "The server closed the connection without an answer (if it wants TLS, try wss://a/)",
      ],
      [
        "ws://a/",
        "something \x1b new",
        "The opening handshake failed: something \\u001b new",
      ],
    ] as const
  ) {
    const text = message === "" ? "" : PREFIX + message;
    const request = { url, protocols: [] };
    assertEquals(await describeRefusal(request, text, 1000), expected);
  }
});

Deno.test("describeRefusal() shows no message of other runtimes", async () => {
  const { Deno } = globalThis;
  Reflect.deleteProperty(globalThis, "Deno");
  try {
    const request = { url: "wss://a/", protocols: [] };
    assertEquals(
      await describeRefusal(request, "wss://me:secret@a/ failed", 1000),
      "Could not connect (the cause is not known here)",
    );
  } finally {
    Object.assign(globalThis, { Deno });
  }
});

Deno.test("ConversationError shows the URL without credentials", () => {
  const { message, name } = new ConversationError(
    "wss://me:secret@a/b?c=d",
    "It failed",
  );
  assertEquals(message, "wss://a/b?c=d: It failed");
  assertEquals(name, "ConversationError");
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
