import { assertEquals } from "@std/assert";
import { describeHTTPAnswer } from "./refusal.ts";
import type { Answer } from "./second_handshake.ts";

const describe = (answer: Answer, url = "ws://a/b") =>
  describeHTTPAnswer(url, answer)
    .replace("The server answered ", "").replace(" instead of 101", " …");

Deno.test("describeHTTPAnswer() gives a hint that follows the status", () => {
  const credentials =
    ' (to send credentials: --header "Authorization: Bearer TOKEN")';
  const behind =
    " (perhaps a proxy answers, and the server behind it does not)";
  for (
    const [status, hint] of [
      [200, ""],
      [400, ""],
      [401, credentials],
      [403, " (to send credentials or another Origin: --header)"],
      [404, ""],
      [407, " (the proxy wants credentials)"],
      [426, " (a proxy in between may drop the Upgrade header)"],
      [429, ""],
      [502, behind],
      [503, behind],
      [504, behind],
    ] as const
  ) {
    assertEquals(describe({ status }), `HTTP ${status} …${hint}`);
    assertEquals(describe({ status }, "wss://a/"), `HTTP ${status} …${hint}`);
  }
  assertEquals(
    describe({ status: 503, body: "No more connections now" }),
    "HTTP 503 …: No more connections now",
  );
  assertEquals(
    describeHTTPAnswer("ws://a/", { status: 101 }),
    "The opening handshake failed, although the server answered HTTP 101 (try again)",
  );
});

Deno.test("describeHTTPAnswer() shows the first line of a text", () => {
  for (
    const [type, body, reason] of [
      [
        "text/plain",
        "Subprotocol chat.v2 required\n",
        "Subprotocol chat.v2 required",
      ],
      ["text/plain; charset=utf-8", "\r\n one\r\ntwo", "one"],
      ["", "Transport unknown", "Transport unknown"],
      ["text/plain", "\x1b[2J\u202e", "\\u001b[2J\\u202e"],
      ["text/plain", "a".repeat(201), "a".repeat(200) + "…"],
      ["text/plain", "a".repeat(200), "a".repeat(200)],
      [
        "application/json",
        '{\n  "error": "missing token"\n}\n',
        '{ "error": "missing token" }',
      ],
      ["application/problem+json;charset=utf-8", '{"a": 1}', '{"a": 1}'],
      ["application/octet-stream", "secret", ""],
      ["application/jsonp", "secret", ""],
      ["text/html", "secret", ""],
      ["TEXT/HTML; charset=utf-8", "secret", ""],
      ["", "<!DOCTYPE html><p>secret", ""],
      ["text/plain", " <html>secret", ""],
      ["text/plain", " \n ", ""],
    ] as const
  ) {
    assertEquals(
      describe({ status: 400, type, body }),
      `HTTP 400 …${reason === "" ? "" : `: ${reason}`}`,
      `${type} ${body}`,
    );
  }
});

Deno.test("describeHTTPAnswer() shows where a redirect leads", () => {
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

Deno.test("describeHTTPAnswer() advises TLS where the answer does", () => {
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
    assertEquals(describe({ status: 404, type, body }).includes("(try"), false);
    assertEquals(
      describe({ status: 400, type, body }, "wss://a/").includes("(try"),
      false,
    );
  }
});
