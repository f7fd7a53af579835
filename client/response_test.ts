import { assertEquals } from "@std/assert";
import { describeResponse } from "./response.ts";
import type { HandshakeResponse } from "./second_handshake.ts";

const describe = (response: HandshakeResponse, url = "ws://a/b") =>
  describeResponse(url, response)
    .replace("The server answered ", "").replace(" instead of 101", " …");

Deno.test("describeResponse() gives a hint that follows the status", () => {
  const none = " (a wrong path or subprotocol, or a proxy that drops Upgrade)";
  const credentials =
    ' (to send credentials: --header "Authorization: Bearer TOKEN"; or the Origin is wrong)';
  const behind =
    " (perhaps a proxy answers, and the server behind it does not)";
  for (
    const [status, hint] of [
      ...[200, 400, 404, 429, 500, 501, 505].map((status) =>
        [status, none] as const
      ),
      [401, credentials],
      [
        403,
        " (to send credentials or another Origin: --header; or the path is wrong)",
      ],
      [407, " (the proxy wants credentials)"],
      [426, " (a proxy in between may drop the Upgrade header)"],
      [502, behind],
      [503, behind],
      [504, behind],
    ] as const
  ) {
    assertEquals(describe({ status }), `HTTP ${status} …${hint}`);
    assertEquals(describe({ status }, "wss://a/"), `HTTP ${status} …${hint}`);
  }
  assertEquals(
    describe({ status: 401, authenticate: 'Basic realm="a"' }, "wss://a/b"),
    "HTTP 401 … (to send credentials: wss://USER:PASSWORD@a/b)",
  );
  assertEquals(
    describe({ status: 401, authenticate: "Bearer" }),
    `HTTP 401 …${credentials}`,
  );
  assertEquals(
    describe({ status: 404, body: "No such room" }),
    "HTTP 404 …: No such room",
  );
  assertEquals(
    describe({ status: 503, body: "No more connections now" }),
    "HTTP 503 …: No more connections now",
  );
  assertEquals(
    describeResponse("ws://a/", { status: 101 }),
    "The opening handshake failed, although the server answered HTTP 101 (try again)",
  );
});

/** What a server says, and what is shown of it. */
const REASONS: [reason: string, response: HandshakeResponse][] = [
  ...["text/plain", "text/html", "TEXT/HTML; charset=utf-8", ""].map(
    (type): [string, HandshakeResponse] => [
      "Transport unknown",
      { type, body: "Transport unknown\n" },
    ],
  ),
  ["one", { type: "text/plain", body: "\r\n one\r\ntwo" }],
  ["a < b", { type: "text/html", body: "a < b" }],
  ["\\u001b[2J\\u202e", { body: "\x1b[2J\u202e" }],
  ["a".repeat(200) + "…", { body: "a".repeat(201) }],
  [
    '{ "error": "missing token" }',
    { type: "application/json", body: '{\n  "error": "missing token"\n}\n' },
  ],
  ['{"a": 1}', {
    type: "application/problem+json;charset=utf-8",
    body: '{"a": 1}',
  }],
  [
    "400 No required SSL certificate was sent",
    {
      type: "text/html",
      body:
        "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>",
    },
  ],
  ["403: Login first", {
    body: "<!DOCTYPE html><TITLE id=a>\n 403:  Login\nfirst </TITLE><p>b",
  }],
  [`<"it's" & more>`, {
    body: "<title>&lt;&quot;it&#39;s&quot; &amp; more&gt;</title>",
  }],
  ["&lt; &no;", { body: "<title>&amp;lt; &no;</title>" }],
  // Only the status again.
  ...[
    "Not Found",
    "404 page not found",
    "<title>404 Not Found</title>",
    "<html><head><title>Error 400 (Bad Request)!!</title>",
    "<title>401 Authorization Required</title>",
    "<title>503 Service Temporarily Unavailable</title>",
    "<title>504 Gateway Time-out</title>",
    "<p>no title",
    "Internal Server Error",
    " \n ",
  ].map((body): [string, HandshakeResponse] => ["", { body }]),
  ["", { type: "application/json", body: '{"detail":"Not Found"}' }],
  ["", {
    type: "application/json",
    body: '{"statusCode":404,"error":"Not Found","message":"Not Found"}',
  }],
  ...["Bad Request", "OK", "Proxy Authentication Required", "Upgrade Required"]
    .map((body): [string, HandshakeResponse] => ["", { body }]),
];

Deno.test("describeResponse() shows the reason that a server gives", () => {
  for (const [reason, response] of REASONS) {
    assertEquals(
      describe({ status: 418, ...response }).replace(/ \(.*/, ""),
      `HTTP 418 …${reason === "" ? "" : `: ${reason.replace(/ \(.*/, "")}`}`,
      JSON.stringify(response),
    );
  }
});

Deno.test("describeResponse() says that a client certificate is wanted", () => {
  const body = "<title>400 No required SSL certificate was sent</title>";
  assertEquals(
    describe({ status: 400, body }, "wss://a/"),
    "HTTP 400 …: 400 No required SSL certificate was sent (it wants a client certificate: --client-cert and --client-key)",
  );
});

Deno.test("describeResponse() shows the server's words as it is told to", () => {
  const response = { status: 302, location: "/b", body: "c" };
  assertEquals(
    describeResponse("ws://a/", response, (text) => `<${text}>`),
    "The server answered HTTP 302 to </b> instead of 101: <c>",
  );
});

Deno.test("describeResponse() shows where a redirect leads", () => {
  const hint = (url: string) => ` (try ${url})`;
  for (
    const [url, location, rest] of [
      ["ws://a/b", "/c", ""],
      ["ws://a/b", "https://c/d?e", hint("wss://c/d?e")],
      ["ws://a/b", "http://c/", ""],
      ["wss://a/b", "https://c/", ""],
      ["ws://a/b", "https://\x1b/", ""],
      ["ws://a/b", "//[", ""],
    ] as const
  ) {
    const shown = location.replace("\x1b", "\\u001b");
    assertEquals(
      describe({ status: 301, location }, url),
      `HTTP 301 to ${shown} …${rest}`,
    );
  }
  const long = "/" + "a".repeat(1000);
  assertEquals(
    describe({ status: 302, location: long }),
    `HTTP 302 to ${long.slice(0, 200)}… …`,
  );
});

Deno.test("describeResponse() advises TLS where the answer does", () => {
  for (
    const [type, body] of [
      ["text/html", "<title>400 The plain HTTP request was sent to HTTPS port"],
      ["text/plain", "Client sent an HTTP request to an HTTPS server."],
    ] as const
  ) {
    assertEquals(
      describe({ status: 400, type, body }).split("(")[1],
      "try wss://a/b)",
    );
    assertEquals(describe({ status: 404, type, body }).includes("try"), false);
    assertEquals(
      describe({ status: 400, type, body }, "wss://a/").includes("(try"),
      false,
    );
  }
});
