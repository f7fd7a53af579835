import { assert, assertEquals } from "@std/assert";
import { handler } from "../echo_server.ts";
import expired from "../testing/certificates/expired.pem" with { type: "text" };
import key from "../testing/certificates/localhost.key" with { type: "text" };
import cert from "../testing/certificates/localhost.pem" with { type: "text" };
import other from "../testing/certificates/other.pem" with { type: "text" };
import { serveHere } from "../testing/connections.ts";
import { deno, TRUST } from "../testing/processes.ts";
import { RawPeer, RawServer } from "../testing/raw.ts";
import { test } from "../testing/declare.ts";
import { delay } from "../testing/time.ts";

/** Answers every request with this text, and closes. */
function answers(text: string) {
  return async (peer: RawPeer) => {
    await peer.readHead();
    await peer.write(text);
    peer[Symbol.dispose]();
  };
}

/** Returns what converse() says about servers that a process trusts. */
async function verdictsOn(urls: string[]): Promise<string[]> {
  // Deno itself may write a line about HTTP/2 to standard error.
  const { stdout } = await deno(
    ...["run", "--allow-net", ...TRUST, "testing/verdicts.ts", ...urls],
  );
  return JSON.parse(stdout).map((verdict: string, i: number) =>
    verdict.replace(`${urls[i]}: `, "")
  );
}

const STATUSES = [200, 301, 401, 403, 404, 429, 502, 503];

/** What a server offers in the TLS handshake (RFC 7301). */
const ALPN = {
  "only HTTP/1.1": ["http/1.1"],
  "HTTP/1.1 and HTTP/2": ["h2", "http/1.1"],
  "no protocol": undefined,
};

for (const [name, alpnProtocols] of Object.entries(ALPN)) {
  test(`converse() tells the status over wss:// from a server that offers ${name}`, async () => {
    await using stack = new AsyncDisposableStack();
    const urls = STATUSES.map((status) => {
      const server = stack.use(
        // Deno.serve offers both.
        alpnProtocols?.includes("h2")
          ? serveHere(() => new Response(null, { status }), { cert, key })
          : new RawServer(
            answers(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`),
            { cert, key, alpnProtocols },
          ),
      );
      return `wss://localhost:${server.port}/`;
    });
    assertEquals(
      await verdictsOn(urls),
      STATUSES.map((status) =>
        `The server answered HTTP ${status} instead of 101`
      ),
    );
  });
}

test("converse() tells other failures over wss:// apart", async () => {
  await using stack = new AsyncDisposableStack();
  const redirect = (to: string) =>
    answers(
      `HTTP/1.1 301 Moved\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`,
    );
  const tls = (
    behave: (peer: RawPeer) => Promise<void> | void,
    alpnProtocols?: string[],
  ) => stack.use(new RawServer(behave, { cert, key, alpnProtocols })).port;
  const serve = (cert: string) =>
    stack.use(serveHere(handler, { cert, key })).port;

  const rows: [port: number, verdict: string][] = [
    [serve(cert), ""],
    [serve(expired), "The server's TLS certificate has expired"],
    [
      serve(other),
      "The server's TLS certificate is for another host name: example.org",
    ],
    [
      tls(redirect("https://example.org/\t?a")),
      "The server answered HTTP 301 to https://example.org/\\t?a instead of 101",
    ],
    [
      tls(redirect("/" + "a".repeat(1000))),
      `The server answered HTTP 301 to /${"a".repeat(199)} instead of 101`,
    ],
    [
      tls((peer) => peer[Symbol.dispose]()),
      "The server closed the connection without an answer",
    ],
    [
      tls(answers(""), ["http/1.1"]),
      "The server closed the connection without an answer",
    ],
    [tls(answers("SSH-2.0-\x1b[2J\r\n")), "The server's answer is not HTTP"],
    [
      tls(answers("HTTP/1.1 101 Switching Protocols\r\n\r\n")),
      "The opening handshake failed, although the server answered HTTP 101 (try again)",
    ],
    [
      tls((peer) => peer[Symbol.dispose](), ["h2"]),
      "The server does not accept HTTP/1.1, which a WebSocket begins with",
    ],
    [
      tls((peer) => peer.drain()),
      "No answer to the opening handshake within 2 s (timed out)",
    ],
    [
      tls(answersOnce()),
      "The opening handshake failed, and another one was not answered (timed out)",
    ],
  ];
  const start = performance.now();
  const urls = rows.map(([port]) => `wss://localhost:${port}/`);
  assertEquals(await verdictsOn(urls), rows.map(([, verdict]) => verdict));
  assert(performance.now() - start < 5000);
});

/** Answers with 404 at first, after 1.5 s, and never again. */
function answersOnce() {
  let asked = false;
  return async (peer: RawPeer) => {
    if (!asked) {
      asked = true;
      await delay(1500);
      return await answers("HTTP/1.1 404 X\r\n\r\n")(peer);
    }
    await peer.drain();
  };
}

test("converse() asks again over ws:// only for the target of a redirect", async () => {
  for (const [status, requests] of [[404, 1], [302, 2]] as const) {
    let asked = 0;
    await using server = new RawServer(async (peer) => {
      // The second time it does not answer.
      if (++asked === 2) return await peer.drain();
      await answers(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`)(peer);
    });
    const url = `ws://127.0.0.1:${server.port}/`;
    assertEquals(
      await verdictsOn([url]),
      [`The server answered HTTP ${status} instead of 101`],
    );
    assertEquals(asked, requests);
  }
});

test("ask() sends the handshake of the conversation", async () => {
  for (const protocols of [[], ["c"], ["c", "d"]]) {
    const heads: string[] = [];
    await using server = new RawServer(async (peer) => {
      heads.push(await peer.readHead());
      peer[Symbol.dispose]();
    }, { cert, key });
    const script = `
      import { converse } from "./main.ts";
      await converse("wss://localhost:${server.port}/a?b", {
        protocols: ${JSON.stringify(protocols)},
      }).catch(() => {});
    `;
    const { stdout } = await deno("eval", ...TRUST, script);
    assertEquals(stdout, "disconnected\n");
    const [first, second] = heads.map((head) =>
      head.split("\r\n")
        .map((line) =>
          line.toLowerCase()
            .replace(/(?<=^sec-websocket-key: )[a-z\d+/]{22}==$/, "…")
        )
        .filter((line) => /^(get|host|connection|upgrade|sec-)/.test(line))
        .toSorted()
    );
    assertEquals(second, first);
    assertEquals(second?.includes("sec-websocket-key: …"), true);
  }
});
