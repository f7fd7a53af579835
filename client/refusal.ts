// Says in plain words why a connection did not open.

import { DROPPED, type Failure, withoutCredentials } from "./failure.ts";
import { describeResponse } from "./response.ts";
import { type Show, show } from "./secrets.ts";
import type { HandshakeRequest } from "./second_handshake.ts";

/**
 * Returns why a connection did not open. In Deno, the handshake may be sent once
 * more to find that out.
 *
 * @param message The `message` of the error event. Deno says the cause there; a
 * browser has no such property, because scripts must not know the cause (WHATWG
 * WebSockets, "feedback from the protocol").
 * @param timeout Milliseconds to wait for a response.
 */
export async function describeRefusal(
  request: HandshakeRequest,
  message: string,
  timeout: number,
  showText: Show = show,
): Promise<Failure & { problem: string }> {
  if (message === "" || !("Deno" in globalThis)) {
    return { problem: "Could not connect (is the server running?)" };
  }
  const url = withoutCredentials(request.url);
  const problem = message.replace(/^.*failed to connect to WebSocket: /, "");
  const secure = url.startsWith("wss:");
  const code = /Invalid status code: (\d+)/.exec(problem)?.[1];
  const status = code === undefined ? undefined : Number(code);
  const known = describeNetwork(url, problem);
  if (known !== undefined) return { problem: known };
  if (!secure && status === undefined) {
    return { problem: describeNoResponse(url, problem) };
  }

  // For wss:, Deno has told only about its attempt over HTTP/2. For ws:, only
  // the status.
  const { sendSecondHandshake } = await import("./second_handshake.ts");
  const second = await sendSecondHandshake(request, timeout);
  const response = secure || second.status === status ? second : { status };
  if (response.status !== undefined) {
    return {
      problem: describeResponse(url, response, showText),
      status: response.status,
    };
  }
  const { problem: again = "" } = response;
  return {
    problem: describeNetwork(url, again) ?? describeNoResponse(url, again),
    timedOut: TIMED_OUT.test(again),
  };
}

/** What `fetch` says when its signal has ended it. */
const TIMED_OUT = /aborted due to timeout/;

/**
 * Returns why the host name, the TCP connection or the TLS handshake failed, or
 * undefined if they did not.
 */
function describeNetwork(url: string, problem: string): string | undefined {
  const certificate = "The server's TLS certificate";
  if (/opening CA file/.test(problem)) {
    return `The file given with --cert cannot be used: ${show(problem)}`;
  }
  if (/dns error/.test(problem)) {
    return `Host "${new URL(url).hostname}" not found (check the spelling)`;
  }
  if (/tcp connect error/.test(problem)) {
    return "Connection refused or host unreachable (is the server running, and the proxy if HTTP_PROXY is set?)";
  }
  if (/proxy authentication required/.test(problem)) {
    return describeResponse(url, { status: 407 });
  }
  if (/certificate expired/.test(problem)) {
    return `${certificate} has expired`;
  }
  if (/not valid for name/.test(problem)) {
    const name = /valid for \w+\("([^"]*)"\)/.exec(problem)?.[1];
    return `${certificate} is for another host name` +
      (name === undefined ? "" : `: ${show(name)}`);
  }
  if (/UnknownIssuer/.test(problem)) {
    return `${certificate} is from an unknown authority (give its CA with --cert or DENO_CERT; perhaps the server leaves out an intermediate certificate)`;
  }
  if (/CaUsedAsEndEntity/.test(problem)) {
    return `${certificate} is that of an authority (make it with basicConstraints=CA:FALSE)`;
  }
  if (/invalid peer certificate/.test(problem)) {
    return `${certificate} is not valid: ${show(problem)}`;
  }
  if (/CertificateRequired/.test(problem)) {
    return "The server wants a client certificate (--client-cert and --client-key)";
  }
  if (/ProtocolVersion/.test(problem)) {
    return "The server does not speak TLS 1.2 or 1.3, which Deno needs";
  }
  if (/corrupt message/.test(problem)) {
    return `The server does not speak TLS there (try ${
      url.replace(/^wss/, "ws")
    })`;
  }
}

/** Returns why a handshake got no HTTP response. */
function describeNoResponse(url: string, problem: string): string {
  const secure = url.startsWith("wss:");
  const overTLS = url.replace(/^ws:/, "wss:");
  const hint = secure
    ? "a wrong path or a missing subprotocol"
    : `a wrong path, a missing subprotocol, or TLS: try ${overTLS}`;
  if (/parsed|operation was canceled/.test(problem)) {
    return "The server's answer is not HTTP/1.1" +
      (secure ? "" : ` (if it speaks TLS, try ${overTLS})`);
  }
  if (TIMED_OUT.test(problem)) {
    return "The opening handshake failed, and another one was not answered (timed out)";
  }
  if (/NoApplicationProtocol/.test(problem)) {
    return "The server does not accept HTTP/1.1, which a WebSocket begins with";
  }
  if (/connection error|reset|os error (54|104|10054)\b/.test(problem)) {
    return `The server reset the connection without an answer (${hint})`;
  }
  if (DROPPED.test(problem)) {
    return `The server closed the connection without an answer (${hint})`;
  }
  return `The opening handshake failed: ${show(problem)}`;
}
