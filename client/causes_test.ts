import { assertEquals } from "@std/assert";
import { describeCauses, type Facts } from "./causes.ts";

/** What an answer is like, and what an open connection. */
const ANSWER = { stage: "handshake" } as const;
const OPEN = { stage: "messages", sent: 1, received: 0, silence: 0 } as const;

const CREDENTIALS =
  'missing credentials: --header "Authorization: Bearer TOKEN"';
const ORIGIN = "a missing Origin: --header";
const NOWHERE = "nothing behind a proxy or a tunnel";
const FIREWALL = "a wrong host or port, or a firewall";
const PATH = ["a wrong path", "a missing subprotocol"];
const PATH_OR = "a wrong path or a missing subprotocol";
const PORT_OR = "a wrong port or path, or a missing subprotocol";
const UPGRADE = "a proxy that drops Upgrade";

/** Facts, and the causes in their order. */
const ROWS: [facts: Partial<Facts>, ...causes: string[]][] = [
  // The answer says what to do, and then nothing is guessed.
  [{ status: 301, location: "x", other: "wss://b/" }, "try wss://b/"],
  [{ status: 301, location: "x" }],
  [
    { status: 400, reason: "No required SSL certificate was sent" },
    "it wants a client certificate: --client-cert and --client-key",
  ],
  [{ status: 400, reason: "No certificate" }],
  [{ status: 407, credentials: true }, "the proxy wants credentials"],
  [{ status: 429 }, "too many requests: wait"],
  [{ blocked: true }, "browsers block this port, so no more is known"],
  // It wants to know who asks.
  [{ status: 401 }, CREDENTIALS, ORIGIN],
  [{ status: 401, reason: "token expired" }, CREDENTIALS, ORIGIN],
  [
    { status: 401, authenticate: 'Basic realm="a"' },
    "missing credentials: ws://USER:PASSWORD@a/",
    ORIGIN,
  ],
  [
    { status: 401, credentials: true },
    "credentials that are not accepted",
    ORIGIN,
  ],
  [{ status: 401, origin: true }, CREDENTIALS, "a wrong Origin"],
  [{ status: 403, reason: "invalid Origin" }, ORIGIN, "a wrong path"],
  [{ status: 403 }, CREDENTIALS, ORIGIN, "a wrong path"],
  [{ status: 404, origin: true }, "a wrong Origin", ...PATH],
  [{ status: 410, origin: true }, ...PATH, UPGRADE],
  [{ status: 302, location: "/login" }, "a missing login: --header"],
  [{ status: 302 }, ...PATH, UPGRADE],
  // There is no WebSocket.
  [{ status: 200 }, ...PATH, UPGRADE],
  [{ status: 200, server: "Caddy" }, "another host name", ...PATH],
  [{ status: 404, server: "Caddy" }, ...PATH, UPGRADE],
  [{ status: 404, offered: true }, PATH[0]!, "another subprotocol", UPGRADE],
  [{ status: 404, reason: "No such room" }],
  [{ status: 400, reason: "No WebSocket UPGRADE hdr" }, UPGRADE],
  [{ status: 400, reason: "need ws" }, UPGRADE],
  [{ status: 200, reason: "need ws" }],
  [{ status: 426, reason: "Use a WebSocket" }, UPGRADE],
  [{ status: 426 }, UPGRADE],
  [{ status: 500 }, "a fault that its log tells"],
  [{ status: 500, reason: "boom" }],
  [{ status: 501 }, ...PATH, UPGRADE],
  ...[502, 503, 504].map((status): [Partial<Facts>, string] => [
    { status },
    "a server behind the proxy that is down: look there",
  ]),
  [{ status: 503, reason: "No more connections now" }],
  [{ status: 505 }, ...PATH, UPGRADE],
  // There is no answer.
  [{}, PORT_OR, "TLS: try wss://a/", NOWHERE],
  [
    { url: "wss://a/", offered: true },
    "a wrong port or path, or another subprotocol",
    NOWHERE,
  ],
  [{ url: "wss://a/", stage: "tls" }, "no TLS there: try ws://a/", NOWHERE],
  [{ timedOut: true }, FIREWALL, PATH_OR, UPGRADE],
  [
    { timedOut: true, url: "wss://a/" },
    FIREWALL,
    PATH_OR,
    "no TLS: try ws://a/",
  ],
  // The connection was open.
  [{ ...OPEN, timedOut: true }, "it may not echo: --expect or --connect-only"],
  [{ ...OPEN, timedOut: true, received: 1 }],
  [{ ...OPEN, timedOut: true, sent: 0 }],
  [
    { ...OPEN, closeCode: 1006 },
    "right after message 1: look into the server's log",
  ],
  [{ ...OPEN, closeCode: 1006, silence: 1000 }],
  [
    { ...OPEN, closeCode: 1006, silence: 5000 },
    "a proxy that closes silent connections: let the server send pings",
  ],
  [{ ...OPEN, closeCode: 1002, sent: 0 }, PATH[1]!, "a missing token"],
  [
    { ...OPEN, closeCode: 1005, sent: 0, offered: true, credentials: true },
    "another subprotocol",
    "a token that is not accepted",
  ],
  [{ ...OPEN, closeCode: 1002 }],
  [{ ...OPEN, closeCode: 1005, sent: 0, silence: 1000 }],
  [{ ...OPEN, closeCode: 1000, sent: 0 }],
  [
    { ...OPEN, closeCode: 1000, sent: 0, count: 1 },
    "to see how it closes: --connect-only",
  ],
  [
    { ...OPEN, closeCode: 1000, received: 1 },
    "it had finished: send fewer messages",
  ],
  [{ ...OPEN, closeCode: 1000 }],
  [{ ...OPEN, closeCode: 1001 }, "a restart: try again"],
  [{ ...OPEN, closeCode: 1001, reason: "no-session" }],
  [{ ...OPEN, closeCode: 1003 }, "it wants other messages: --hex"],
  [{ ...OPEN, closeCode: 1008, reason: "bad token" }],
  [{ ...OPEN, closeCode: 1011 }, "a fault that its log tells"],
  [{ ...OPEN, closeCode: 4401 }, "a missing token"],
  [
    { ...OPEN, closeCode: 4401, credentials: true },
    "a token that is not accepted",
  ],
  [{ ...OPEN, closeCode: 4401, reason: "bad token" }],
];

Deno.test("describeCauses() names what fits all that was seen, the likeliest first", () => {
  for (const [facts, ...causes] of ROWS) {
    const list = causes.length < 2
      ? causes.join()
      : `${causes.slice(0, -1).join("; ")}; or ${causes.at(-1)}`;
    assertEquals(
      describeCauses({ url: "ws://a/", ...ANSWER, ...facts }),
      list && ` (${list})`,
      JSON.stringify(facts),
    );
  }
});
