/**
 * Serves the page and its scripts. The scripts are the TypeScript files of this
 * project with their types blanked, so a browser runs the very same main.ts.
 *
 * @module
 */

import { stripTypeScriptTypes } from "node:module";
import { parseURL } from "../lib/handshake.ts";
import failure from "../lib/failure.ts" with { type: "text" };
import printable from "../lib/printable.ts" with { type: "text" };
import main from "../main.ts" with { type: "text" };
import html from "./index.html" with { type: "text" };
import log from "./log.ts" with { type: "text" };
import page from "./page.ts" with { type: "text" };

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";

/** The files, by their paths. */
const FILES = new Map<string, { type: string; body: string }>([
  ["/", { type: HTML, body: html }],
  ["/main.ts", script(main)],
  ["/lib/failure.ts", script(failure)],
  ["/lib/printable.ts", script(printable)],
  ["/page/log.ts", script(log)],
  ["/page/page.ts", script(page)],
]);

/** The page may use its own scripts and style sheet, and nothing else. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  `style-src 'sha256-${await hash(/<style>(.*?)<\/style>/s.exec(html)![1]!)}'`,
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/**
 * Answers a GET or HEAD request for the page or one of its scripts. The page is
 * only for clients that accept HTML, such as browsers.
 *
 * @returns The answer, or undefined for any other request.
 */
export function servePage(request: Request): Response | undefined {
  const { method, headers } = request;
  if (method !== "GET" && method !== "HEAD") return;
  if (headers.has("upgrade")) return;
  const file = FILES.get(parseURL(request)?.pathname ?? "");
  if (file === undefined) return;
  if (file.type === HTML && !headers.get("accept")?.includes("text/html")) {
    return;
  }
  return new Response(file.body, {
    headers: {
      "content-type": file.type,
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
      // A browser must not run the main.ts of yesterday.
      "cache-control": "no-store",
    },
  });
}

/**
 * Turns TypeScript into JavaScript. Types become blanks, so every line stays
 * where it is, and a debugger shows the lines of main.ts.
 */
function script(typescript: string): { type: string; body: string } {
  return { type: SCRIPT, body: stripTypeScriptTypes(typescript) };
}

async function hash(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(digest).toBase64();
}
