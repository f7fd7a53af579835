import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { converse } from "../main.ts";
import { startEchoServer } from "../testing/processes.ts";
import { permitted } from "../testing/permitted.ts";
import html from "./index.html" with { type: "text" };
import main from "../main.ts" with { type: "text" };
import { linkToPage, servePage } from "./files.ts";

const HTML = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

/** Requests a path as a browser does when a user opens it. */
function get(path: string, init: RequestInit = {}): Response | undefined {
  const url = new URL(path, "http://127.0.0.1:8000/");
  return servePage(new Request(url, { headers: HTML, ...init }), url.pathname);
}

Deno.test("servePage() serves the page to clients that accept HTML, and to no other", async () => {
  assertEquals(await get("/")!.text(), html);
  assertEquals(await get("/?query")!.text(), html);
  assertEquals(get("/", { headers: { accept: "*/*" } }), undefined);
  assertEquals(get("/", { headers: {} }), undefined);
  assertEquals(get("/index.html"), undefined);
  // What is no plain GET request has no path.
  assertEquals(
    servePage(new Request("http://a/", { headers: HTML })),
    undefined,
  );
});

Deno.test("servePage() serves main.ts line by line, without its types", async () => {
  const script = await get("/main.ts", { headers: {} })!.text();
  const lines = main.split("\n");
  const served = script.split("\n");
  assertEquals(served.length, lines.length);
  const line = lines.findIndex((line) => line.includes("new WebSocket(url"));
  assert(line > 0);
  assertEquals(served[line], lines[line]);
  assertEquals(script.includes("interface"), false);
});

Deno.test("servePage() serves the source of main.ts as it is written", async () => {
  const source = get("/source/main.ts", { headers: {} });
  assertEquals(await source!.text(), main);
});

Deno.test("servePage() serves every script that a script imports", async () => {
  const seen = new Set<string>();
  const queue = ["/page/page.ts"];
  for (const path of queue) {
    if (seen.has(path)) continue;
    seen.add(path);
    const response = get(path, { headers: {} });
    assertEquals(response?.status, 200, path);
    const script = await response!.text();
    for (const [, specifier] of script.matchAll(/ from "(.*)";/g)) {
      queue.push(new URL(specifier!, `http://host${path}`).pathname);
    }
  }
  assertEquals(seen.size, 12);
});

Deno.test("servePage() sets the type and the policies of what it serves", () => {
  for (
    const [path, type] of [
      ["/", "text/html; charset=utf-8"],
      ["/main.ts", "text/javascript; charset=utf-8"],
      ["/page/style.css", "text/css; charset=utf-8"],
      ["/source/main.ts", "text/plain; charset=utf-8"],
    ]
  ) {
    const { headers } = get(path!)!;
    assertEquals(headers.get("content-type"), type);
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("cache-control"), "no-store");
    const policy = headers.get("content-security-policy")!;
    assertEquals(
      policy,
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
  }
});

Deno.test("linkToPage() gives browsers on other paths a link, with the status", async () => {
  const plain = () =>
    new Response("426", { status: 426, headers: { upgrade: "websocket" } });
  const ask = (init: RequestInit, response = plain()) =>
    linkToPage(new Request("http://a/b", init), response);
  const link = ask({ headers: HTML });
  assertEquals(link.status, 426);
  assertEquals(link.headers.get("upgrade"), "websocket");
  assertEquals(link.headers.get("content-type"), "text/html; charset=utf-8");
  assertMatch(link.headers.get("content-security-policy")!, /^default-src/);
  assertStringIncludes(await link.text(), '<a href="/">');
  for (
    const [init, response] of [
      [{}, plain()],
      [{ headers: { accept: "*/*" } }, plain()],
      [{ headers: { ...HTML, upgrade: "websocket" } }, plain()],
      [{ headers: HTML }, new Response(null, { status: 405 })],
    ] as const
  ) assertEquals(ask(init, response), response);
});

Deno.test(
  "echo_server.ts serves the page, HEAD included, and still echoes",
  permitted(),
  async () => {
    await using server = await startEchoServer();
    const url = server.url.replace("ws", "http");

    const page = await fetch(url, { headers: HTML });
    assertEquals(page.status, 200);
    assertEquals(await page.text(), html);

    const head = await fetch(url, { method: "HEAD", headers: HTML });
    assertEquals(head.status, 200);
    assertEquals(await head.text(), "");
    assertEquals(
      Number(head.headers.get("content-length")),
      new TextEncoder().encode(html).length,
    );

    const other = await fetch(`${url}any/path`, { headers: HTML });
    assertEquals(other.status, 426);
    assertStringIncludes(await other.text(), '<a href="/">');

    const plain = await fetch(url);
    assertEquals(plain.status, 426);
    assertStringIncludes(await plain.text(), server.url);

    await converse(server.url, { pause: 0, log() {} });
  },
);
