// Says what may have caused a failure, from all that was seen.

import type { Stage } from "./failure.ts";
import type { HandshakeResponse } from "./second_handshake.ts";

/** What was seen of a conversation that failed. */
export interface Facts extends HandshakeResponse {
  /** The URL of the WebSocket, without credentials. */
  url: string;
  stage: Stage;
  timedOut?: boolean;
  /** Of a connection that had opened. */
  closeCode?: number;
  /** Whether the client offered a subprotocol. */
  offered?: boolean;
  /** Whether it sent credentials, and an Origin. */
  credentials?: boolean;
  origin?: boolean;
  /** Whether `fetch` refuses the port, so that nothing more can be asked. */
  blocked?: boolean;
  /** The URL that an answer points at. */
  other?: string;
  /** Why the server refused or closed, in its own words. */
  reason?: string;
  /** How many messages were to be sent, were sent, and arrived. */
  count?: number;
  sent?: number;
  received?: number;
  /** Milliseconds from the last message, or from the opening, to the end. */
  silence?: number;
}

/** How many causes a line names. */
const MAX_CAUSES = 3;

type Causes = Record<string, (facts: Facts) => unknown>;

/** Causes that leave no room for others, and when they apply. */
const SURE: Causes = {
  "try {other}": (f) => f.other,
  "it wants a client certificate: --client-cert and --client-key": (f) =>
    /No required SSL certificate/.test(f.reason ?? ""),
  "the proxy wants credentials": (f) => f.status === 407,
  "too many requests: wait": (f) => f.status === 429,
  "browsers block this port, so no more is known": (f) => f.blocked,
};

/** All others. The likeliest come first. */
const CAUSES: Causes = {
  // The server answered, and opened no WebSocket.
  "credentials that are not accepted": (f) =>
    wantsCredentials(f) && f.credentials,
  "missing credentials: {example}": (f) =>
    wantsCredentials(f) && !f.credentials,
  "a missing Origin: --header": (f) => isLogin(f) && !f.origin,
  "a wrong Origin": (f) => (isLogin(f) || isNotFound(f)) && f.origin,
  "a missing login: --header": (f) =>
    f.location && [302, 303, 307].includes(f.status!),
  "another host name": (f) => f.status === 200 && /caddy/i.test(f.server ?? ""),
  "a wrong path": (f) => isUnexplained(f) || f.status === 403,
  "{subprotocol}": (f) => isUnexplained(f) || isClosedAtOnce(f),
  "a fault that its log tells": (f) =>
    (f.status === 500 && !f.reason) || isClosed(f, 1011),
  "a server behind the proxy that is down: look there": (f) =>
    isFailure(f) && !f.reason,

  // It did not answer.
  "no TLS there: try {plain}": (f) => f.stage === "tls",
  "a wrong host or port, or a firewall": isLate,
  "a wrong port or path, or {subprotocol}": isSilent,
  "a wrong path or {subprotocol}": isLate,
  "TLS: try {secure}": (f) => isSilent(f) && f.url.startsWith("ws:"),
  "no TLS: try {plain}": (f) => isLate(f) && f.url.startsWith("wss:"),
  "nothing behind a proxy or a tunnel": (f) => f.stage === "tls" || isSilent(f),
  "a proxy that drops Upgrade": (f) =>
    f.status === 426 || isUnexplained(f) || isLate(f) ||
    (f.status! >= 400 && /upgrad|websocket|\bws\b/i.test(f.reason ?? "")),

  // The WebSocket was open.
  "it may not echo: --expect or --connect-only": (f) =>
    f.stage === "messages" && f.timedOut && f.sent && !f.received,
  "right after message {sent}: look into the server's log": (f) =>
    f.closeCode === 1006 && f.sent && f.silence! < 1000,
  "a proxy that closes silent connections: let the server send pings": (f) =>
    f.closeCode === 1006 && f.silence! >= 5000,
  "a token that is not accepted": (f) => wantsToken(f) && f.credentials,
  "a missing token": (f) => wantsToken(f) && !f.credentials,
  // Whether the code arrives is a race, if a message was on its way.
  "to see how it closes: --connect-only": (f) =>
    isClosed(f, 1000, 1005) && f.count && !f.sent,
  "it had finished: send fewer messages": (f) =>
    isClosed(f, 1000, 1005) && f.sent && f.received,
  "a restart: try again": (f) => isClosed(f, 1001, 1012),
  "it wants other messages: --hex": (f) =>
    isClosed(f, 1003, 1007, 1008) && f.sent,
};

/** Returns what may have caused a failure, as " (a; b; or c)", or nothing. */
export function describeCauses(facts: Facts): string {
  const { url, offered, authenticate = "" } = facts;
  const values: Record<string, unknown> = {
    ...facts,
    secure: url.replace(/^ws:/, "wss:"),
    plain: url.replace(/^wss:/, "ws:"),
    subprotocol: offered ? "another subprotocol" : "a missing subprotocol",
    example: /^basic\b/i.test(authenticate)
      ? url.replace("//", "//USER:PASSWORD@")
      : '--header "Authorization: Bearer TOKEN"',
  };
  const fitting = (causes: Causes) =>
    Object.keys(causes).filter((cause) => causes[cause]!(facts)).map((cause) =>
      cause.replace(/\{(\w+)\}/g, (_, name) => `${values[name]}`)
    );
  const [sure] = fitting(SURE);
  const causes = sure ? [sure] : fitting(CAUSES).slice(0, MAX_CAUSES);
  if (causes.length === 0) return "";
  const last = causes.pop();
  return ` (${
    [...causes, (causes.length > 0 ? "or " : "") + last].join("; ")
  })`;
}

function isLogin({ status }: Facts) {
  return status === 401 || status === 403;
}

function wantsCredentials(facts: Facts) {
  return isLogin(facts) && !/\borigin\b/i.test(facts.reason ?? "");
}

function isNotFound({ status, reason }: Facts) {
  return (status === 400 || status === 404) && !reason;
}

function isFailure({ status = 0 }: Facts) {
  return status >= 502 && status <= 504;
}

/** Whether an answer says neither where to go nor what is wrong. */
function isUnexplained(facts: Facts) {
  const { status, reason, location } = facts;
  return status !== undefined && status !== 426 && status !== 500 && !reason &&
    !location && !isLogin(facts) && !isFailure(facts);
}

/** Whether TCP and TLS stood, and no answer came before the end. */
function isSilent({ stage, status, timedOut }: Facts) {
  return stage === "handshake" && status === undefined && !timedOut;
}

function isLate({ stage, timedOut }: Facts) {
  return stage === "handshake" && timedOut;
}

/** Whether a server closed with a code and said nothing else. */
function isClosed({ closeCode = 0, reason }: Facts, ...codes: number[]) {
  return codes.includes(closeCode) && !reason;
}

function isClosedAtOnce(facts: Facts) {
  return isClosed(facts, 1002, 1005, 1006, 1008) && !facts.sent &&
    facts.silence! < 1000;
}

function wantsToken(facts: Facts) {
  return isClosedAtOnce(facts) ||
    (facts.closeCode! >= 3000 && !facts.reason);
}
