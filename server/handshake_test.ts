import { assertEquals, assertMatch } from "@std/assert";
import { checkHandshake, parseList } from "./handshake.ts";

/** A valid handshake. */
const VALID = {
  "Host": "127.0.0.1:8000",
  "Upgrade": "websocket",
  "Connection": "Upgrade",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version": "13",
};

/** What differs from a valid handshake, and the answer. */
interface Row {
  change: Record<string, string | null>;
  /** @default {"GET"} */
  method?: string;
  /** Undefined if nothing is refused. */
  status?: number;
  /** The headers of the answer that matter. */
  headers?: Record<string, string | null>;
}

const UPGRADE = { connection: "Upgrade", upgrade: "websocket" };

const ROWS: Row[] = [
  { change: {} },
  { change: { Upgrade: "WebSocket" } },
  { change: { Connection: "keep-alive, \tupgrade\t" } },
  { change: { Upgrade: null }, status: 426, headers: UPGRADE },
  { change: { Upgrade: "websockets" }, status: 426, headers: UPGRADE },
  { change: { Upgrade: "h2c, websocket" }, status: 426, headers: UPGRADE },
  { change: { Upgrade: "websocket\u00a0" }, status: 426, headers: UPGRADE },
  { change: { Connection: null }, status: 426, headers: UPGRADE },
  { change: { Connection: "keep-alive" }, status: 426, headers: UPGRADE },
  { change: { Connection: "\u00a0upgrade" }, status: 426, headers: UPGRADE },
  { change: { Upgrade: null }, method: "HEAD", status: 426, headers: UPGRADE },
  // A health check over HTTP/1.0 sends no Host.
  { change: { Upgrade: null, Host: null }, status: 426, headers: UPGRADE },
  { change: {}, method: "POST", status: 405, headers: { allow: "GET" } },
  { change: {}, method: "HEAD", status: 405, headers: { allow: "GET" } },
  {
    change: { Upgrade: null },
    method: "DELETE",
    status: 405,
    headers: { allow: "GET" },
  },
  { change: { Host: null }, status: 400 },
  {
    change: { "Sec-WebSocket-Version": null },
    status: 426,
    headers: { ...UPGRADE, "sec-websocket-version": "13" },
  },
  {
    change: { "Sec-WebSocket-Version": "8" },
    status: 426,
    headers: { ...UPGRADE, "sec-websocket-version": "13" },
  },
  { change: { "Sec-WebSocket-Version": "13, 8" }, status: 426 },
  { change: { "Sec-WebSocket-Key": null }, status: 400 },
  { change: { "Sec-WebSocket-Key": "" }, status: 400 },
  { change: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ" }, status: 400 },
  { change: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR==" }, status: 400 },
  { change: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25j" }, status: 400 },
  { change: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZWQ=" }, status: 400 },
  { change: { "Sec-WebSocket-Key": "dGhl_HNhbXBsZSBub25jZQ==" }, status: 400 },
  {
    change: { "Sec-WebSocket-Key": "adGhlIHNhbXBsZSBub25jZQ==" },
    status: 400,
  },
  {
    change: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==a" },
    status: 400,
  },
  { change: { "Sec-WebSocket-Protocol": "a" } },
  { change: { "Sec-WebSocket-Protocol": ", a,\t!#$%&'*+-.^_`|~aZ09" } },
  { change: { "Sec-WebSocket-Protocol": "" }, status: 400 },
  { change: { "Sec-WebSocket-Protocol": " , " }, status: 400 },
  { change: { "Sec-WebSocket-Protocol": "a b" }, status: 400 },
  { change: { "Sec-WebSocket-Protocol": "a, b/c" }, status: 400 },
  { change: { "Sec-WebSocket-Protocol": "\u00e9" }, status: 400 },
  { change: { "Sec-WebSocket-Protocol": "\u00a0a" }, status: 400 },
  { change: { "Sec-WebSocket-Protocol": "a\u00a0, b" }, status: 400 },
];

/** Returns the request of a row. */
function requestOf({ change, method = "GET" }: Row): Request {
  const headers = Object.entries({ ...VALID, ...change })
    .filter((header): header is [string, string] => header[1] !== null);
  return new Request("http://127.0.0.1:8000/", { method, headers });
}

for (const row of ROWS) {
  const { change, method = "GET", status, headers = {} } = row;
  const what = status === undefined ? "accepts" : `answers ${status} to`;
  Deno.test(`checkHandshake() ${what} ${method} with ${JSON.stringify(change)}`, async () => {
    const answer = checkHandshake(requestOf(row));
    assertEquals(answer?.status, status);
    if (answer === undefined) return;
    for (const [name, value] of Object.entries(headers)) {
      assertEquals(answer.headers.get(name), value);
    }
    assertEquals(answer.headers.get("x-content-type-options"), "nosniff");
    assertMatch(answer.headers.get("content-type")!, /^text\/plain\b/);
    assertMatch(await answer.text(), /^[^\n]+\n$/);
  });
}

Deno.test("checkHandshake() answers 400 to a Host that is not a host name", () => {
  const { headers } = requestOf({ change: {} });
  const request = { method: "GET", headers, url: "http://a b/" } as Request;
  assertEquals(checkHandshake(request)?.status, 400);
  for (const host of ["a/main.ts#", "a?b", "a#", "me:secret@a", "a\\b"]) {
    assertEquals(
      checkHandshake(requestOf({ change: { Host: host } }))?.status,
      400,
    );
  }
});

Deno.test("checkHandshake() names a command that means the same in every shell", async () => {
  const start = "This is a WebSocket echo server";
  for (
    const [url, headers, command] of [
      ["http://127.0.0.1:8000/", {}, "ws://127.0.0.1:8000/"],
      ["http://a/b.c-d_e/", {}, "ws://a/b.c-d_e/"],
      ["https://a/", {}, "wss://a/"],
      ["http://a/", { "x-forwarded-proto": "https" }, "wss://a/"],
      ["http://a/b'c", {}, undefined],
      ["http://a/?b", {}, undefined],
      ["http://a/?b&c", {}, undefined],
      ["http://a/$(b)", {}, undefined],
      ["http://a/`b`", {}, undefined],
      ["http://a/b;c|d", {}, undefined],
      ["http://a/%20", {}, undefined],
      ["http://[::1]/", {}, undefined],
    ] as const
  ) {
    assertEquals(
      await checkHandshake(new Request(url, { headers }))!.text(),
      command === undefined
        ? `${start}\n`
        : `${start}: deno run --allow-net main.ts ${command}\n`,
    );
  }
});

Deno.test("parseList() splits a list, and takes away spaces and tabs only", () => {
  assertEquals(parseList(null), []);
  assertEquals(parseList(""), []);
  assertEquals(parseList(" a \t,\t b,,c"), ["a", "b", "c"]);
  assertEquals(parseList("\u00a0a\u00a0"), ["\u00a0a\u00a0"]);
  assertEquals(parseList("a b\tc , d"), ["a b\tc", "d"]);
});
