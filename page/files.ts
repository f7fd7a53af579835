// Serves the page and its scripts. The scripts are the TypeScript files of this
// project with their types blanked, so a browser runs the very same main.ts.

import { stripTypeScriptTypes } from "node:module";
import causes from "../client/causes.ts" with { type: "text" };
import failure from "../client/failure.ts" with { type: "text" };
import headers from "../client/headers.ts" with { type: "text" };
import refusal from "../client/refusal.ts" with { type: "text" };
import response from "../client/response.ts" with { type: "text" };
import secrets from "../client/secrets.ts" with { type: "text" };
import watch from "../client/watch.ts" with { type: "text" };
import main from "../main.ts" with { type: "text" };
import printable from "../shared/printable.ts" with { type: "text" };
import token from "../shared/token.ts" with { type: "text" };
import check from "./check.ts" with { type: "text" };
import html from "./index.html" with { type: "text" };
import log from "./log.ts" with { type: "text" };
import page from "./page.ts" with { type: "text" };
import style from "./style.css" with { type: "text" };

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";

/** The files, by their paths. */
const FILES = new Map<string, { type: string; body: string }>([
  ["/", { type: HTML, body: html }],
  ["/page/style.css", { type: "text/css; charset=utf-8", body: style }],
  ["/source/main.ts", { type: "text/plain; charset=utf-8", body: main }],
  ["/main.ts", script(main)],
  ["/client/causes.ts", script(causes)],
  ["/client/failure.ts", script(failure)],
  ["/client/headers.ts", script(headers)],
  ["/client/refusal.ts", script(refusal)],
  ["/client/response.ts", script(response)],
  ["/client/secrets.ts", script(secrets)],
  ["/client/watch.ts", script(watch)],
  ["/shared/printable.ts", script(printable)],
  ["/shared/token.ts", script(token)],
  ["/page/check.ts", script(check)],
  ["/page/log.ts", script(log)],
  ["/page/page.ts", script(page)],
]);

/** What visitors see on any other path. */
const LINK = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>WebSocket echo</title>
<link rel="stylesheet" href="/page/style.css">
<main><div><h1>WebSocket echo</h1>
<p>This is a WebSocket echo server. <a href="/">Its page</a> talks to it.</p>
</div></main>
`;

/** The page may use its own scripts and style sheet, and nothing else. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
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
export function servePage(
  request: Request,
  path = "",
): Response | undefined {
  const file = FILES.get(path);
  if (file === undefined) return;
  if (file.type === HTML && !acceptsHTML(request)) return;
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
 * Gives a visitor with a browser who came to another path a link to the page,
 * in place of the line of text with which a request that is not a handshake is
 * answered. The status stays.
 */
export function linkToPage(request: Request, response: Response): Response {
  const isPlain = response.status === 426 && !request.headers.has("upgrade");
  if (!isPlain || !acceptsHTML(request)) return response;
  const answer = new Response(LINK, response);
  answer.headers.set("content-type", HTML);
  answer.headers.set("content-security-policy", POLICY);
  return answer;
}

function acceptsHTML({ headers }: Request): boolean {
  return headers.get("accept")?.includes("text/html") ?? false;
}

/**
 * Turns TypeScript into JavaScript. Types become blanks, so every line stays
 * where it is, and a debugger shows the lines of main.ts.
 */
function script(typescript: string): { type: string; body: string } {
  return { type: SCRIPT, body: stripTypeScriptTypes(typescript) };
}
