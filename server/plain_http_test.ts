import { assertEquals } from "@std/assert";
import type { State } from "./connections.ts";
import { answerHealthCheck } from "./plain_http.ts";

/** Asks for a path. */
function ask(path: string, state: State = "ok", init: RequestInit = {}) {
  const request = new Request(`http://a${path}`, init);
  return answerHealthCheck(request, { state, open: 12 });
}

Deno.test("answerHealthCheck() says what the server does, and how many connections are open", async () => {
  for (
    const [state, status] of [
      ["ok", 200],
      ["full", 503],
      ["draining", 503],
      ["stopping", 503],
    ] as const
  ) {
    const response = ask("/health", state)!;
    assertEquals(response.status, status, state);
    assertEquals(await response.text(), `${state}; open connections: 12\n`);
    assertEquals(response.headers.get("x-content-type-options"), "nosniff");
  }
});

Deno.test("answerHealthCheck() answers plain requests for /health only", () => {
  assertEquals(ask("/health", "ok", { method: "HEAD" })?.status, 200);
  assertEquals(ask("/health?a")?.status, 200);
  assertEquals(ask("/health/"), undefined);
  assertEquals(ask("/"), undefined);
  assertEquals(ask("/health", "ok", { method: "POST" }), undefined);
  const headers = { upgrade: "websocket" };
  assertEquals(ask("/health", "ok", { headers }), undefined);
});
