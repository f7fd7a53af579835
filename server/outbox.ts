// Sends the echoes of one connection, as long as its peer reads them.

import { setTimeout as delay } from "node:timers/promises";
import { Buffer } from "node:buffer";
import {
  MESSAGE_OVERHEAD,
  SendQueue,
  type SharedMemory,
} from "./send_queue.ts";
import { MiB } from "./units.ts";

/**
 * The bytes that a peer may still send after it was cut off, before it is closed
 * at once. Otherwise it could take all the time of the server.
 */
const MAX_IGNORED_BYTES = 128 * MiB;

/** Milliseconds without a message after which a peer counts as quiet. */
const QUIET_TIME = 200;

/**
 * Milliseconds for which a peer that is never quiet still gets its echoes, and
 * for which it is then given the chance to become quiet.
 */
const LAST_TIME = 1000;

/** What a server sends over one connection. */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #queue: SendQueue;
  #isEchoing = true;
  /** How many messages have arrived. */
  #received = 0;
  /** The bytes that arrived after the last echo, and their messages' overhead. */
  #ignored = 0;

  constructor(socket: WebSocket, memory: SharedMemory) {
    this.#socket = socket;
    this.#queue = new SendQueue(socket, memory);
    socket.addEventListener("close", () => this.#queue.release(), {
      once: true,
    });
  }

  /**
   * Sends a message, unless too many wait for the peer to read them. It takes the
   * bytes of the message away: to send them to several peers, copy them.
   */
  send(data: string | ArrayBuffer): void {
    this.#received++;
    if (this.#isEchoing && !this.#queue.send(data)) this.#cutOff();
    if (!this.#isEchoing) {
      this.#ignored += Buffer.byteLength(data) + MESSAGE_OVERHEAD;
      if (this.#ignored > MAX_IGNORED_BYTES) {
        this.#socket.close(1008);
        this.#queue.release(); // or it might count for ever
      }
    }
    // Free the memory now: garbage collection comes hundreds of MiB later.
    if (typeof data !== "string") data.transfer(0);
  }

  /** Sends nothing more, and closes with 1008 when the peer has read the rest. */
  async #cutOff(): Promise<void> {
    this.#isEchoing = false;
    await this.#untilQuiet(Infinity);
    while (this.#socket.bufferedAmount > 0) await this.#untilQuiet(Infinity);
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.close(1008, "Too many echoes were not read");
    this.#queue.release();
  }

  /**
   * Closes with 1001 so that the peer gets the close frame. After `close()` Deno
   * drops the connection at the next message that arrives, and the close frame
   * with it if it still waits behind other messages. So this waits until the
   * peer is quiet and has read everything. A peer that waits for its echoes
   * becomes quiet when they stop.
   * @returns The close code, when it is closed: if the peer does not read, never.
   */
  async shutDown(): Promise<number> {
    const closed = new Promise<CloseEvent>((resolve) => {
      this.#socket.addEventListener("close", resolve);
    });
    if (!await this.#untilQuiet(LAST_TIME)) {
      this.#isEchoing = false;
      await this.#untilQuiet(LAST_TIME);
    }
    while (this.#socket.bufferedAmount > 0) await delay(QUIET_TIME);
    this.#socket.close(1001, "Server shutting down");
    return (await closed).code;
  }

  /** Waits until nothing arrives for 200 ms, and says whether that happened. */
  async #untilQuiet(timeout: number): Promise<boolean> {
    const end = performance.now() + timeout;
    for (;;) {
      const before = this.#received;
      await delay(QUIET_TIME);
      if (this.#received === before) return true;
      if (performance.now() > end) return false;
    }
  }
}
