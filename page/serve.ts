/**
 * Serves the page, and main.ts to it as it is but for its types.
 *
 * @module
 */

import { stripTypeScriptTypes } from "node:module";
import failure from "../lib/failure.ts" with { type: "text" };
import printable from "../lib/printable.ts" with { type: "text" };
import main from "../main.ts" with { type: "text" };
import html from "./index.html" with { type: "text" };
import page from "./page.ts" with { type: "text" };

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";

/** What there is, by its path. */
const FILES: Record<string, [type: string, body: string]> = {
  "/": [HTML, html],
  "/main.js": [SCRIPT, script(main)],
  "/lib/failure.js": [SCRIPT, script(failure)],
  "/lib/printable.js": [SCRIPT, script(printable)],
  "/page/page.js": [SCRIPT, script(page)],
};

/** No source of anything but this server, and the one style sheet of the page. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  `style-src 'sha256-${await hash(/<style>(.*?)<\/style>/s.exec(html)![1])}'`,
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/**
 * Answers a request for the page or one of its scripts.
 *
 * @returns The answer, or nothing for any other request: a WebSocket handshake,
 * another path or method, and one for `/` from a client that does not ask for
 * HTML, such as curl.
 */
export function servePage(request: Request): Response | undefined {
  const { method, headers, url } = request;
  if (method !== "GET" && method !== "HEAD") return;
  if (headers.has("upgrade")) return;
  const path = URL.parse(url)?.pathname ?? "";
  if (!Object.hasOwn(FILES, path)) return;
  const [type, body] = FILES[path];
  if (type === HTML && !headers.get("accept")?.includes("text/html")) return;
  return new Response(body, {
    headers: {
      "content-type": type,
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
      // Without it a browser could go on running yesterday's main.ts.
      "cache-control": "no-store",
    },
  });
}

/**
 * Returns TypeScript as JavaScript. Types become blanks, so that every line and
 * column is where it was, and a debugger shows the lines of main.ts.
 */
function script(typescript: string): string {
  return stripTypeScriptTypes(typescript)
    .replaceAll(/(?<=from "\.[\w./]+)\.ts(?=";)/g, ".js");
}

async function hash(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(digest).toBase64();
}
