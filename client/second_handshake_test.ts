import { assert, assertEquals } from "@std/assert";
import { handler } from "../echo_server.ts";
import expired from "../testing/certificates/expired.pem" with { type: "text" };
import key from "../testing/certificates/localhost.key" with { type: "text" };
import cert from "../testing/certificates/localhost.pem" with { type: "text" };
import other from "../testing/certificates/other.pem" with { type: "text" };
import { serveHere } from "../testing/in_process.ts";
import { deno, TRUST } from "../testing/processes.ts";
import {
  answers,
  type Behavior,
  encodeAnswer,
  RawServer,
} from "../testing/raw.ts";
import { permitted } from "../testing/permitted.ts";
import { sendSecondHandshake } from "./second_handshake.ts";
import { setTimeout as delay } from "node:timers/promises";

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

const STATUSES = [200, 301, 404, 410, 429];

const HINT =
  " (a wrong path; a missing subprotocol; or a proxy that drops Upgrade)";

/** What a server offers in the TLS handshake (RFC 7301). */
const ALPN = {
  "only HTTP/1.1": ["http/1.1"],
  "HTTP/1.1 and HTTP/2": ["h2", "http/1.1"],
  "no protocol": undefined,
};

for (const [name, alpnProtocols] of Object.entries(ALPN)) {
  Deno.test(
    `converse() tells the status over wss:// from a server that offers ${name}`,
    permitted(),
    async () => {
      await using stack = new AsyncDisposableStack();
      const urls = STATUSES.map((status) => {
        const server = stack.use(
          // Deno.serve offers both.
          alpnProtocols?.includes("h2")
            ? serveHere(() => new Response(null, { status }), { cert, key })
            : new RawServer(
              answers(encodeAnswer(status)),
              { cert, key, alpnProtocols },
            ),
        );
        return `wss://localhost:${server.port}/`;
      });
      assertEquals(
        await verdictsOn(urls),
        STATUSES.map((status) =>
          `The server answered HTTP ${status} instead of 101${
            status === 429 ? " (too many requests: wait)" : HINT
          }`
        ),
      );
    },
  );
}

Deno.test(
  "converse() tells other failures over wss:// apart",
  permitted(),
  async () => {
    await using stack = new AsyncDisposableStack();
    const redirect = (to: string) =>
      answers(encodeAnswer(301, { Location: to }));
    const tls = (
      behave: Behavior,
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
        `The server answered HTTP 301 to /${"a".repeat(199)}… instead of 101`,
      ],
      [
        stack.use(new RawServer((peer) => peer[Symbol.dispose]())).port,
        "The server closed the connection in the TLS handshake (no TLS there: try ws://URL; or nothing behind a proxy or a tunnel)",
      ],
      [
        tls(answers(""), ["http/1.1"]),
        "The server closed the connection without an answer (a wrong port or path, or a missing subprotocol; or nothing behind a proxy or a tunnel)",
      ],
      [
        tls(answers("SSH-2.0-\x1b[2J\r\n")),
        "The server's answer is not HTTP/1.1",
      ],
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
        "No answer to the opening handshake within 4 s (timed out; a wrong host or port, or a firewall; a wrong path or a missing subprotocol; or no TLS: try ws://URL)",
      ],
      [
        tls(answersOnce()),
        "The opening handshake failed, and there was no time to learn why (give it more with --timeout)",
      ],
    ];
    const start = performance.now();
    const urls = rows.map(([port]) => `wss://localhost:${port}/`);
    assertEquals(
      await verdictsOn(urls),
      rows.map(([port, verdict]) =>
        verdict.replace("URL", `localhost:${port}/`)
      ),
    );
    assert(performance.now() - start < 9000);
  },
);

/** Answers with 404 at first, and never again. */
function answersOnce(): Behavior {
  let asked = false;
  return async (peer) => {
    if (asked) return await peer.drain();
    asked = true;
    await delay(300);
    await answers(encodeAnswer(404))(peer);
  };
}

/** Answers the first request with one text, and the others with another. */
function answersInTurn(first: string, others?: string): Behavior {
  let asked = 0;
  return async (peer) => {
    asked++;
    if (asked > 1 && others === undefined) return await peer.drain();
    await answers(asked === 1 ? first : others!)(peer);
  };
}

Deno.test(
  "converse() shows the reason in an answer, over ws:// and wss://",
  permitted(),
  async () => {
    await using stack = new AsyncDisposableStack();
    const text = { "Content-Type": "text/plain" };
    const long = "Because " + "x".repeat(2000);
    const rows: [behave: Behavior, verdict: string][] = [
      [
        answers(encodeAnswer(400, text, "Subprotocol chat.v2 required\n")),
        "400 instead of 101: Subprotocol chat.v2 required",
      ],
      [
        answers(
          encodeAnswer(
            401,
            { "Content-Type": "application/json" },
            '{"error":"missing token"}',
          ),
        ),
        '401 instead of 101: {"error":"missing token"} (missing credentials: --header "Authorization: Bearer TOKEN"; or a missing Origin: --header)',
      ],
      [
        answers(encodeAnswer(400, text, long)),
        `400 instead of 101: ${long.slice(0, 200)}…`,
      ],
      // The 1,024 characters end here.
      [
        answers(encodeAnswer(400, text, "\n".repeat(1022) + "€bc")),
        "400 instead of 101: €b",
      ],
      [
        answers(
          encodeAnswer(400, { ...text, "Content-Length": "99" }, "Short"),
        ),
        "400 instead of 101: Short",
      ],
      // The rest of the body never comes.
      [
        async (peer) => {
          await peer.readHead();
          await peer.write(
            encodeAnswer(400, { ...text, "Content-Length": "99" }, "Slow"),
          );
          await peer.drain();
        },
        "400 instead of 101: Slow",
      ],
    ];
    const urls = rows.flatMap(([behave]) => [
      `ws://127.0.0.1:${stack.use(new RawServer(behave)).port}/`,
      `wss://localhost:${
        stack.use(new RawServer(behave, { cert, key })).port
      }/`,
    ]);
    const start = performance.now();
    assertEquals(
      await verdictsOn(urls),
      rows.flatMap(([, verdict]) => {
        const whole = `The server answered HTTP ${verdict}`;
        return [whole, whole];
      }),
    );
    const time = performance.now() - start;
    assert(time < 5000, `It took ${time} ms`);
  },
);

Deno.test(
  "sendSecondHandshake() waits for the body for 1 s",
  permitted(),
  async () => {
    await using server = new RawServer(async (peer) => {
      await peer.readHead();
      await peer.write(encodeAnswer(400, { "Content-Length": "99" }, "Slow"));
      await peer.drain();
    });
    const request = { url: `ws://127.0.0.1:${server.port}/`, protocols: [] };
    const start = performance.now();
    const { status, body } = await sendSecondHandshake(request, 10_000);
    const time = performance.now() - start;
    assertEquals([status, body], [400, "Slow"]);
    assert(time >= 999 && time < 4000, `It took ${time} ms`);
  },
);

Deno.test(
  "sendSecondHandshake() uses no more than 1,024 characters of a body, and hangs up",
  permitted(),
  async () => {
    const { promise: hungUp, resolve } = Promise.withResolvers<void>();
    await using server = new RawServer(async (peer) => {
      await peer.readHead();
      const text = encodeAnswer(400, {}, "x".repeat(100_000));
      await peer.write(text.replace("100000", "200000"));
      await peer.drain();
      resolve();
    });
    const url = `ws://127.0.0.1:${server.port}/`;
    using client = Deno.createHttpClient({ http2: false });
    const start = performance.now();
    const { body } = await sendSecondHandshake({ url, client }, 10_000);
    assertEquals(body?.length, 1024);
    await hungUp;
    const time = performance.now() - start;
    assert(time < 5000, `It hung up after ${time} ms`);
  },
);

Deno.test(
  "sendSecondHandshake() uses the client that it is given",
  permitted(),
  async () => {
    await using proxy = new RawServer(answers(encodeAnswer(410)));
    using client = Deno.createHttpClient({
      http2: false,
      proxy: { url: `http://127.0.0.1:${proxy.port}/` },
    });
    const request = { url: "ws://nosuch.invalid/", client };
    const { status, problem } = await sendSecondHandshake(request, 10_000);
    assertEquals([status, problem], [410, undefined]);
  },
);

Deno.test(
  "converse() asks for Basic credentials where the server does",
  permitted(),
  async () => {
    const header = { "WWW-Authenticate": 'Basic realm="a"' };
    await using server = new RawServer(answers(encodeAnswer(401, header)));
    const { port } = server;
    assertEquals(await verdictsOn([`ws://127.0.0.1:${port}/`]), [
      `The server answered HTTP 401 instead of 101 (missing credentials: ws://USER:PASSWORD@127.0.0.1:${port}/; or a missing Origin: --header)`,
    ]);
  },
);

Deno.test(
  "converse() believes the first answer over ws://",
  permitted(),
  async () => {
    const text = { "Content-Type": "text/plain" };
    for (
      const [first, second, verdict] of [
        [404, undefined, `404 instead of 101${HINT}`],
        [404, encodeAnswer(500, text, "Oh"), `404 instead of 101${HINT}`],
        [404, "nonsense\r\n\r\n", `404 instead of 101${HINT}`],
        [
          404,
          encodeAnswer(404, text, "No such room"),
          "404 instead of 101: No such room",
        ],
        [
          302,
          encodeAnswer(302, { Location: "/x" }),
          "302 to /x instead of 101 (a missing login: --header)",
        ],
      ] as const
    ) {
      await using server = new RawServer(
        answersInTurn(encodeAnswer(first), second),
      );
      assertEquals(
        await verdictsOn([`ws://127.0.0.1:${server.port}/`]),
        [`The server answered HTTP ${verdict}`],
      );
    }
  },
);

Deno.test(
  "converse() tells the certificate's fault where only HTTP/1.1 is spoken",
  permitted(),
  async () => {
    await using stack = new AsyncDisposableStack();
    const urls = [expired, other].map((cert) => {
      const server = new RawServer(answers(""), {
        cert,
        key,
        alpnProtocols: ["http/1.1"],
      });
      return `wss://localhost:${stack.use(server).port}/`;
    });
    assertEquals(await verdictsOn(urls), [
      "The server's TLS certificate has expired",
      "The server's TLS certificate is for another host name: example.org",
    ]);
  },
);

Deno.test(
  "sendSecondHandshake() sends the handshake of the conversation",
  permitted(),
  async () => {
    const basic = `authorization: basic ${btoa("me:secret").toLowerCase()}`;
    for (
      const [credentials, options, line] of [
        ["", {}, undefined],
        ["", { protocols: ["c"] }, "sec-websocket-protocol: c"],
        ["", { protocols: ["c", "d"] }, "sec-websocket-protocol: c, d"],
        ["me:secret@", {}, basic],
        ["", { headers: { Origin: "http://b" } }, "origin: http://b"],
        [
          "me:secret@",
          { headers: { Authorization: "Bearer x" } },
          "authorization: bearer x",
        ],
      ] as const
    ) {
      const heads: string[] = [];
      const behave: Behavior = async (peer) => {
        heads.push(await peer.readHead());
        await peer.write(encodeAnswer(426));
        peer[Symbol.dispose]();
      };
      await using plain = new RawServer(behave);
      await using secure = new RawServer(behave, {
        cert,
        key,
        alpnProtocols: ["http/1.1"],
      });
      for (
        const url of [
          `ws://${credentials}localhost:${plain.port}/a?b`,
          `wss://${credentials}localhost:${secure.port}/a?b`,
        ]
      ) {
        heads.length = 0;
        const script = `
        import { converse } from "./main.ts";
        await converse("${url}", ${JSON.stringify(options)})
          .catch(({ message }) => console.log(message));
      `;
        const { stdout } = await deno("eval", ...TRUST, script);
        assertEquals(
          stdout,
          `disconnected\n${
            url.replace(credentials, "")
          }: The server answered HTTP 426 instead of 101 (a proxy that drops Upgrade)\n`,
        );
        const [first, second, ...more] = heads.map((head) =>
          head.split("\r\n")
            .map((line) =>
              line.toLowerCase()
                .replace(/(?<=^sec-websocket-key: )[a-z\d+/]{22}==$/, "…")
            )
            .filter((line) =>
              /^(get|host|connection|upgrade|sec-|auth|origin)/.test(line)
            )
            .toSorted()
        );
        assertEquals(second, first);
        assertEquals(more, []);
        assertEquals(second?.includes("sec-websocket-key: …"), true);
        if (line !== undefined) assertEquals(second?.includes(line), true);
      }
    }
  },
);
