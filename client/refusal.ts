// Says in plain words why a connection did not open.

import { describeCauses, type Facts } from "./causes.ts";
import { DROPPED, type Failure, type Stage } from "./failure.ts";
import { describeResponse } from "./response.ts";
import { type Show, show } from "./secrets.ts";
import type { HandshakeRequest } from "./second_handshake.ts";

type Refusal = Failure & { problem: string };

/**
 * Returns why a connection did not open. In Deno, the handshake may be sent once
 * more to find that out.
 *
 * @param facts What is known beside it.
 * @param message The `message` of the error event. Deno says the cause there; a
 * browser has no such property, because scripts must not know the cause (WHATWG
 * WebSockets, "feedback from the protocol").
 * @param timeout Milliseconds to wait for a response.
 */
export async function describeRefusal(
  request: HandshakeRequest,
  facts: Facts,
  message: string,
  timeout: number,
  showText: Show = show,
): Promise<Refusal> {
  if (message === "" || !("Deno" in globalThis)) {
    return { problem: "Could not connect (is the server running?)" };
  }
  const problem = message.replace(/^.*failed to connect to WebSocket: /, "");
  const secure = facts.url.startsWith("wss:");
  const code = /Invalid status code: (\d+)/.exec(problem)?.[1];
  const status = code === undefined ? undefined : Number(code);
  const known = describeNetwork(facts, problem);
  if (known !== undefined) return known;
  // For wss:, Deno has told only about its attempt over HTTP/2. For ws:, it has
  // told only the status, or not what came instead of HTTP.
  const isUnclear = secure || status !== undefined || CANCELED.test(problem);
  if (!isUnclear) return describeSilence(facts, problem);

  const { sendSecondHandshake } = await import("./second_handshake.ts");
  const second = await sendSecondHandshake(request, timeout);
  const response = secure || second.status === status ? second : { status };
  if (response.status !== undefined) {
    return {
      problem: describeResponse(facts, response, showText),
      status: response.status,
    };
  }
  const { problem: again = "", connected } = second;
  if (/^Requests to port/i.test(again)) {
    return describeSilence({ ...facts, blocked: true }, problem);
  }
  return describeNetwork(facts, again) ??
    describeSilence(
      secure && !connected ? { ...facts, stage: "tls" } : facts,
      again,
    );
}

/** What `fetch` says when its signal has ended it. */
const TIMED_OUT = /aborted due to timeout/;

/** What Deno says when the end came too soon, or bytes that are not HTTP. */
const CANCELED = /operation was canceled/;

const CERTIFICATE = "The server's TLS certificate";

/** What Deno says of a failure below HTTP, and what it means; $ is all it says. */
const NETWORK: Partial<Record<Stage, Record<string, string>>> = {
  name: {
    "dns error":
      'Host "HOST" not found (check the spelling, and that of the proxy if HTTP_PROXY is set)',
  },
  connection: {
    "tcp connect error":
      "Connection refused or host unreachable (is the server running, and the proxy if HTTP_PROXY is set?)",
  },
  proxy: {
    "proxy authentication required": "The proxy wants credentials: HTTP 407",
    // With a proxy over HTTP, and over SOCKS (RFC 1928).
    "tunnel|auth methods|auth failure|SOCKS|by ruleset|^(network|host) unreachable$|^connection refused$|TTL expired|not supported$|invalid response version":
      "The proxy did not connect to the server: $",
  },
  tls: {
    "opening CA file": "The file given with --cert cannot be used: $",
    "certificate expired": `${CERTIFICATE} has expired`,
    "not valid for name": `${CERTIFICATE} is for another host name`,
    UnknownIssuer:
      `${CERTIFICATE} is from an unknown authority (give its CA with --cert or DENO_CERT; perhaps the server leaves out an intermediate certificate)`,
    CaUsedAsEndEntity:
      `${CERTIFICATE} is that of an authority (make it with basicConstraints=CA:FALSE)`,
    "invalid peer certificate": `${CERTIFICATE} is not valid: $`,
    CertificateRequired:
      "The server wants a client certificate (--client-cert and --client-key)",
    ProtocolVersion:
      "The server does not speak TLS 1.2 or 1.3, which Deno needs",
    "corrupt message": "The server does not speak TLS there (try ws:REST)",
  },
};

/** Returns why the connection or the TLS handshake failed, if one did. */
function describeNetwork({ url }: Facts, said: string): Refusal | undefined {
  const { hostname } = new URL(url);
  // An address is never looked up, and without TLS only a proxy can fail at it.
  const isProxy =
    (/dns error/.test(said) && /^\[|^\d+(\.\d+){3}$/.test(hostname)) ||
    (/corrupt message/.test(said) && url.startsWith("ws:"));
  const around =
    ` (its credentials are in its URL; to go around it: NO_PROXY=${hostname})`;
  if (isProxy) {
    const what = said.includes("dns") ? "was not found" : "does not speak TLS";
    return { stage: "proxy", problem: `The proxy ${what}${around}` };
  }
  for (const [stage, meanings] of Object.entries(NETWORK)) {
    for (const [words, meaning] of Object.entries(meanings)) {
      if (!new RegExp(words, "i").test(said)) continue;
      const name = /valid for \w+\("([^"]*)"\)/.exec(said)?.[1];
      const problem = meaning.replace("HOST", () => hostname)
        .replace("ws:REST", () => url.replace(/^wss/, "ws"))
        .replace("$", () => show(said)) +
        (name === undefined ? "" : `: ${show(name)}`) +
        (stage === "proxy" ? around : "");
      return { stage: stage as Stage, problem };
    }
  }
}

/** Returns why a handshake got no HTTP response. */
function describeSilence(facts: Facts, problem: string): Refusal {
  const { url, stage } = facts;
  const is = (words: RegExp) => words.test(problem);
  if (is(/parsed/)) {
    const hint = ` (if it speaks TLS, try ${url.replace(/^ws:/, "wss:")})`;
    return {
      problem: "The server's answer is not HTTP/1.1" +
        (url.startsWith("wss:") ? "" : hint),
    };
  }
  if (is(TIMED_OUT)) {
    const problem =
      "The opening handshake failed, and there was no time to learn why (give it more with --timeout)";
    return { timedOut: true, problem };
  }
  if (is(/NoApplicationProtocol/)) {
    const problem =
      "The server does not accept HTTP/1.1, which a WebSocket begins with";
    return { problem };
  }
  const end = is(/connection error|reset|os error (54|104|10054)\b/)
    ? "The server reset the connection"
    : is(DROPPED) || is(CANCELED)
    ? "The server closed the connection"
    : undefined;
  const where = stage === "tls" ? "in the TLS handshake" : "without an answer";
  const what = end === undefined
    ? `The opening handshake failed: ${show(problem)}`
    : `${end} ${where}`;
  return { stage, problem: what + describeCauses(facts) };
}
