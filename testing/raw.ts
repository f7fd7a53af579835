/**
 * WebSocket by hand, over TCP or TLS: for what no ordinary client or server does.
 *
 * @module
 */

import { STATUS_CODES } from "node:http";
import { Socket } from "node:net";

/** Frame opcodes (RFC 6455 section 5.2). */
export const CONTINUATION = 0,
  TEXT = 1,
  BINARY = 2,
  CLOSE = 8,
  PING = 9,
  PONG = 10;

/** The headers of a valid handshake, without `Host`. */
export const HANDSHAKE: Record<string, string> = {
  "Upgrade": "websocket",
  "Connection": "Upgrade",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version": "13",
};

/** Returns bytes. */
export function bytes(...numbers: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(numbers);
}

/** Returns a request for `/` as it is on the wire. */
export function encodeRequest(
  headers: [string, string][],
): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET / HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** What a frame holds. */
export interface Frame {
  opcode: number;
  payload: Uint8Array<ArrayBuffer>;
  /** @default {true} */
  fin?: boolean;
  /** The three reserved bits. @default {0} */
  rsv?: number;
  /** @default {true} */
  masked?: boolean;
}

/** Returns a frame as it is on the wire. */
export function encodeFrame(
  { opcode, payload, fin = true, rsv = 0, masked = true }: Frame,
): Uint8Array<ArrayBuffer> {
  const length = payload.length;
  const head = length < 126 ? 2 : length < 65536 ? 4 : 10;
  const bytes = new Uint8Array(head + (masked ? 4 : 0) + length);
  const view = new DataView(bytes.buffer);
  bytes[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  bytes[1] = (masked ? 0x80 : 0) |
    (length < 126 ? length : length < 65536 ? 126 : 127);
  if (head === 4) view.setUint16(2, length);
  if (head === 10) view.setBigUint64(2, BigInt(length));
  if (!masked) {
    bytes.set(payload, head);
    return bytes;
  }
  const mask = crypto.getRandomValues(bytes.subarray(head, head + 4));
  for (let i = 0; i < length; i++) {
    bytes[head + 4 + i] = payload[i]! ^ mask[i % 4]!;
  }
  return bytes;
}

/** One end of a TCP connection, closed when it goes out of scope. */
export class RawPeer implements Disposable {
  /** The connection, from either end. */
  readonly connection: Deno.Conn;
  #buffer = new Uint8Array(0);

  constructor(connection: Deno.Conn) {
    this.connection = connection;
  }

  /** Connects to a port of 127.0.0.1. */
  static async connect(port: number): Promise<RawPeer> {
    return new RawPeer(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Connects, and sends a request for `/`. */
  static async request(
    port: number,
    headers: Record<string, string> | [string, string][] = HANDSHAKE,
  ): Promise<RawPeer> {
    const peer = await RawPeer.connect(port);
    const fields = Array.isArray(headers) ? headers : Object.entries(headers);
    await peer.write(
      encodeRequest([["Host", `127.0.0.1:${port}`], ...fields]),
    );
    return peer;
  }

  /** Connects and opens a WebSocket. */
  static async open(port: number): Promise<RawPeer> {
    const peer = await RawPeer.request(port);
    await peer.readHead();
    return peer;
  }

  /** Sends text or bytes. */
  async write(data: string | Uint8Array): Promise<void> {
    let rest = typeof data === "string" ? new TextEncoder().encode(data) : data;
    while (rest.length > 0) {
      rest = rest.subarray(await this.connection.write(rest));
    }
  }

  /** Sends a frame. */
  send(frame: Frame): Promise<void> {
    return this.write(encodeFrame(frame));
  }

  /** Reads the head of an HTTP message, up to its empty line. */
  async readHead(): Promise<string> {
    let head = "";
    while (!head.endsWith("\r\n\r\n")) {
      head += String.fromCharCode((await this.#take(1))[0]!);
    }
    return head;
  }

  /** Reads a frame. */
  async readFrame(): Promise<Frame> {
    const [first, second] = await this.#take(2) as unknown as [number, number];
    let length = second & 0x7f;
    if (length >= 126) {
      const size = length === 126 ? 2 : 8;
      const bytes = await this.#take(size);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      length = size === 2 ? view.getUint16(0) : Number(view.getBigUint64(0));
    }
    const mask = second & 0x80 ? await this.#take(4) : undefined;
    const payload = await this.#take(length);
    if (mask !== undefined) {
      for (let i = 0; i < length; i++) payload[i]! ^= mask[i % 4]!;
    }
    return { opcode: first & 0x0f, fin: first >= 0x80, payload };
  }

  /** Reads until the other end closes the connection, and counts the bytes. */
  async drain(): Promise<number> {
    const bytes = new Uint8Array(65536);
    let count = this.#buffer.length;
    try {
      for (;;) {
        const length = await this.connection.read(bytes);
        if (length === null) break;
        count += length;
      }
    } catch (error) {
      // A reset is an end, too. Windows may call it an abort.
      if (
        !(error instanceof Deno.errors.ConnectionReset) &&
        !(error instanceof Deno.errors.ConnectionAborted)
      ) throw error;
    }
    return count;
  }

  async #take(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const parts = [this.#buffer];
    let have = this.#buffer.length;
    while (have < length) {
      const chunk = new Uint8Array(65536);
      const count = await this.connection.read(chunk);
      if (count === null) throw new Deno.errors.UnexpectedEof();
      parts.push(chunk.subarray(0, count));
      have += count;
    }
    const all = new Uint8Array(have);
    let offset = 0;
    for (const part of parts) {
      all.set(part, offset);
      offset += part.length;
    }
    this.#buffer = all.subarray(length);
    return all.subarray(0, length);
  }

  /** Closes the connection, if it is open. */
  [Symbol.dispose](): void {
    try {
      this.connection.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }
}

/** Sends a handshake, and resets the connection before the answer. */
export function resetHandshake(port: number): Promise<void> {
  const request = encodeRequest(Object.entries({ Host: "a", ...HANDSHAKE }));
  const socket = new Socket();
  return new Promise((resolve) => {
    socket.on("error", () => {}); // it may be refused
    socket.on("close", () => resolve());
    socket.connect(port, "127.0.0.1", () => {
      socket.write(request, () => socket.resetAndDestroy());
    });
  });
}

/** Returns the Sec-WebSocket-Accept of a key (RFC 6455 section 4.2.2). */
async function acceptOf(key: string): Promise<string> {
  const text = `${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const digest = await crypto.subtle.digest(
    "SHA-1",
    new TextEncoder().encode(text),
  );
  return new Uint8Array(digest).toBase64();
}

/** What a server does with a connection. */
export type Behavior = (peer: RawPeer) => Promise<unknown> | void;

/** Answers a request with this text, and closes the connection. */
export function answers(text: string): Behavior {
  return async (peer) => {
    await peer.readHead();
    await peer.write(text);
    peer[Symbol.dispose]();
  };
}

/** Returns an HTTP response. */
export function encodeAnswer(
  status: number,
  headers: Record<string, string> = {},
  body = "",
): string {
  const { length } = new TextEncoder().encode(body);
  const lines = Object.entries({ "Content-Length": `${length}`, ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${
    lines.join("")
  }\r\n${body}`;
}

/**
 * A TCP or TLS server on a free port of 127.0.0.1. Every connection is handed to
 * a function, and stays open until that closes it or the server goes out of
 * scope.
 */
export class RawServer implements AsyncDisposable {
  #listener: Deno.Listener<Deno.Conn>;
  #peers: RawPeer[] = [];
  #behaviors: Promise<unknown>[] = [];
  #accepting: Promise<void>;
  #closed = false;

  constructor(
    behave: Behavior,
    tls?: Deno.TlsCertifiedKeyPem & { alpnProtocols?: string[] },
  ) {
    const address = { hostname: "127.0.0.1", port: 0 };
    const listener = tls === undefined
      ? Deno.listen(address)
      : Deno.listenTls({ ...address, ...tls });
    this.#listener = listener;
    this.#accepting = (async () => {
      for await (const connection of listener) {
        const peer = new RawPeer(connection);
        this.#peers.push(peer);
        this.#behaviors.push(
          // How the client leaves does not matter here.
          (async () => await behave(peer))().catch(() => {}),
        );
      }
    })();
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Stops listening. */
  close(): void {
    if (!this.#closed) this.#listener.close();
    this.#closed = true;
  }

  /** Stops listening, and resolves when nothing listens any more. */
  async stop(): Promise<void> {
    this.close();
    await this.#accepting;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    for (const peer of this.#peers) peer[Symbol.dispose]();
    await Promise.all([this.#accepting, ...this.#behaviors]);
  }
}

/** Opens a WebSocket from the server's end, and sends more in the same packet. */
export async function acceptHandshake(
  peer: RawPeer,
  headers: Record<string, string> = {},
  more: Uint8Array<ArrayBuffer> = new Uint8Array(),
): Promise<void> {
  const request = await peer.readHead();
  const key = /^Sec-WebSocket-Key: (.*)\r$/im.exec(request)![1]!;
  const lines = Object.entries({
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": await acceptOf(key),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`;
  await peer.write(
    new Uint8Array([...new TextEncoder().encode(head), ...more]),
  );
}
