import { assertEquals } from "@std/assert";
import { describeRefusal } from "./refusal.ts";

const PREFIX = "NetworkError: failed to connect to WebSocket: ";

Deno.test("describeRefusal() says what Deno's messages mean", async () => {
  const certificate = "The server's TLS certificate";
  for (
    const [url, message, expected] of [
      ["ws://a/", "", "Could not connect (is the server running?)"],
      [
        "wss://a/",
        "Failed opening CA file: No such file",
        "The file given with --cert cannot be used: Failed opening CA file: No such file",
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
        "received fatal alert: CertificateRequired",
        "The server wants a client certificate (--client-cert and --client-key)",
      ],
      [
        "wss://a/",
        "received fatal alert: ProtocolVersion",
        "The server does not speak TLS 1.2 or 1.3, which Deno needs",
      ],
      [
        "ws://a/",
        "NoApplicationProtocol",
        "The server does not accept HTTP/1.1, which a WebSocket begins with",
      ],
      [
        "ws://a/",
        "connection error",
        "The server reset the connection without an answer (a wrong port or path, or a missing subprotocol; TLS: try wss://a/; or nothing behind a proxy or a tunnel)",
      ],
      ...[54, 104, 10054].map((code) =>
        [
          "ws://a/",
          `\u041f (os error ${code})`,
          "The server reset the connection without an answer (a wrong port or path, or a missing subprotocol; TLS: try wss://a/; or nothing behind a proxy or a tunnel)",
        ] as const
      ),
      [
        "ws://a/",
        "\u041f (os error 10053)",
        "The server closed the connection without an answer (a wrong port or path, or a missing subprotocol; TLS: try wss://a/; or nothing behind a proxy or a tunnel)",
      ],
      ...[
        ["ws://127.0.0.1/", "dns error", "was not found", "127.0.0.1"],
        ["wss://[::1]/", "dns error", "was not found", "[::1]"],
        ["ws://a/", "corrupt message of type X", "does not speak TLS", "a"],
        [
          "wss://a/",
          "unsuccessful tunnel",
          "did not connect to the server: unsuccessful tunnel",
          "a",
        ],
        [
          "ws://a/",
          "Host unreachable",
          "did not connect to the server: Host unreachable",
          "a",
        ],
        [
          "ws://a/",
          "No acceptable auth methods",
          "did not connect to the server: No acceptable auth methods",
          "a",
        ],
        [
          "wss://a/",
          "proxy authentication required",
          "wants credentials: HTTP 407",
          "a",
        ],
      ].map(([url, said, problem, host]) =>
        [
          url!,
          said!,
          `The proxy ${problem} (its credentials are in its URL; to go around it: NO_PROXY=${host})`,
        ] as const
      ),
      [
        "ws://127.example/",
        "dns error",
        'Host "127.example" not found (check the spelling, and that of the proxy if HTTP_PROXY is set)',
      ],
      [
        "wss://a/",
        "corrupt message of type X",
        "The server does not speak TLS there (try ws://a/)",
      ],
      [
        "ws://a/",
        "something \x1b new",
        "The opening handshake failed: something \\u001b new (a wrong port or path, or a missing subprotocol; TLS: try wss://a/; or nothing behind a proxy or a tunnel)",
      ],
    ] as const
  ) {
    const text = message === "" ? "" : PREFIX + message;
    const { problem } = await describeRefusal(
      { url },
      { url, stage: "handshake" },
      text,
      1000,
    );
    assertEquals(problem, expected, message);
  }
});

Deno.test("describeRefusal() shows no message of other runtimes", async () => {
  const { Deno } = globalThis;
  Reflect.deleteProperty(globalThis, "Deno");
  try {
    const message = "wss://me:secret@a/ failed";
    const { problem } = await describeRefusal(
      { url: "wss://a/" },
      { url: "wss://a/", stage: "handshake" },
      message,
      1000,
    );
    assertEquals(
      problem,
      "Could not connect (is the server running?)",
    );
  } finally {
    Object.assign(globalThis, { Deno });
  }
});
