import { assertEquals } from "@std/assert";
import { describeResponse } from "./response.ts";
import { show } from "./secrets.ts";
import type { HandshakeResponse } from "./second_handshake.ts";

const describe = (response: HandshakeResponse, url = "ws://a/b") =>
  describeResponse({ url, stage: "handshake" }, response)
    .replace("The server answered ", "").replace(" instead of 101", " …");

Deno.test("describeResponse() names the program that answered, and the causes", () => {
  for (
    const [response, line] of [
      [
        { status: 404, server: "nginx/1.22.1\x1b" },
        "The server (nginx/1.22.1\\u001b) answered HTTP 404 instead of 101 (a wrong path; a missing subprotocol; or a proxy that drops Upgrade)",
      ],
      [
        { status: 404, body: "No such room" },
        "The server answered HTTP 404 instead of 101: No such room",
      ],
      [
        { status: 101 },
        "The opening handshake failed, although the server answered HTTP 101 (try again)",
      ],
    ] as const
  ) {
    const facts = { url: "ws://a/", stage: "handshake" } as const;
    assertEquals(describeResponse(facts, response), line);
  }
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
    "No required SSL certificate was sent",
    {
      status: 400,
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
  ["Access denied.", {
    status: 400,
    body:
      "<h1>Error response</h1><p>Error code: 400</p><p>Message: Access denied.</p>",
  }],
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
    "<title>Error response</title><p>Message: Not Found.</p>",
    "Server Error",
    "<title>ERROR: The requested URL could not be retrieved</title>",
    "connection failed",
    "<TITLE>Could Not Connect</TITLE>",
    '{"code":3,"message":"Bad request"}',
  ].map((body): [string, HandshakeResponse] => ["", { body }]),
  ["", { type: "application/json", body: '{"detail":"Not Found"}' }],
  ["", {
    type: "application/json",
    body: '{"statusCode":404,"error":"Not Found","message":"Not Found"}',
  }],
  // A page that was found, and a site's own name.
  ...["It works!", "<title>Directory listing for /</title>"]
    .map((body): [string, HandshakeResponse] => ["", { status: 200, body }]),
  ["", { status: 404, body: "<title>My shop</title>" }],
  ...["Bad Request", "OK", "Proxy Authentication Required", "Upgrade Required"]
    .map((body): [string, HandshakeResponse] => ["", { body }]),
];

Deno.test("describeResponse() shows the reason that a server gives", () => {
  for (const [reason, response] of REASONS) {
    assertEquals(
      describe({ status: 418, ...response }).replace(/ \(.*/, ""),
      `HTTP ${response.status ?? 418} …${
        reason === "" ? "" : `: ${reason.replace(/ \(.*/, "")}`
      }`,
      JSON.stringify(response),
    );
  }
});

Deno.test("describeResponse() says that a client certificate is wanted", () => {
  const body = "<title>400 No required SSL certificate was sent</title>";
  assertEquals(
    describe({ status: 400, body }, "wss://a/"),
    "HTTP 400 …: No required SSL certificate was sent (it wants a client certificate: --client-cert and --client-key)",
  );
});

Deno.test("describeResponse() shows the server's words as it is told to", () => {
  const response = { status: 302, location: "/b", body: "c" };
  assertEquals(
    describeResponse(
      { url: "ws://a/", stage: "handshake" },
      response,
      (text) => `<${text}>`,
    ),
    "The server answered HTTP 302 to </b> instead of 101: <c> (a missing login: --header)",
  );
});

Deno.test("describeResponse() shows where a redirect leads", () => {
  const hint = (url: string) => ` (try ${url})`;
  for (
    const [url, location, rest] of [
      ["ws://a/b", "/c", ""],
      ["ws://a/b", "https://c/d?e", hint("wss://c/d?e")],
      ["ws://a/b", "http://c/", hint("ws://c/")],
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
    describe({ status: 301, location: long }),
    `HTTP 301 to ${long.slice(0, 200)}… …`,
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

Deno.test("describeResponse() shows no secret that a URL has after it was parsed", () => {
  const showText = (text: string) => show(text.replaceAll("SECRET", "…"));
  const location = `https://h/${"../".repeat(80)}SECRET`;
  const line = describeResponse(
    { url: "ws://a/", stage: "handshake" },
    { status: 301, location },
    showText,
  );
  assertEquals(line.includes("SECRET"), false, line);
});
