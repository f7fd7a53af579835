// Bounds the memory for the echoes that peers have not read yet. Deno cannot
// pause a peer that sends without reading. So the peers of a process share a
// limited memory for what waits. A peer whose waiting messages take more than a
// quarter of what is still free gets no more. This is the dynamic threshold
// with which network switches share a buffer (Choudhury and Hahne, 1998): one
// slow peer gets much, many get less each, and some memory is always left for
// the next one.

import { Buffer } from "node:buffer";
import { KiB, MiB } from "./units.ts";

/** Bytes that a waiting message takes in the runtime beyond its own bytes. */
export const MESSAGE_OVERHEAD = KiB;

/** The share of the free memory that one peer may use. */
const SHARE = 1 / 4;

/** Bytes that may wait for a peer, and that it may send then, in any case. */
const OWN_BYTES = 8 * KiB;

/** Bytes sent between two counts. To ask sockets takes time, so it is rare. */
const COUNT_INTERVAL = 4 * MiB;

/** The memory that all peers of a process share. */
export class SharedMemory {
  /** How many bytes may wait. */
  size: number;
  /** The bytes that waited at the last count. */
  waiting = 0;
  /** The bytes sent since then. */
  #sent = 0;
  /** The queues that were not empty then, or have sent something since. */
  readonly #queues = new Set<SendQueue>();

  constructor(size: number) {
    this.size = size;
  }

  /** Says whether a queue may send a message that takes so many bytes. */
  hasRoom(queue: SendQueue, bytes: number): boolean {
    this.#sent += bytes;
    // Peers may have read since the last count.
    if (this.#sent > COUNT_INTERVAL || !this.#fits(queue, bytes)) this.count();
    this.#queues.add(queue);
    return this.#fits(queue, bytes);
  }

  #fits({ size }: SendQueue, bytes: number): boolean {
    const free = this.size - this.waiting;
    return size <= Math.max(SHARE * free, OWN_BYTES) &&
      bytes <= Math.max(free, OWN_BYTES);
  }

  /** Asks all queues what waits. */
  count(): void {
    this.#sent = 0;
    this.waiting = 0;
    for (const queue of this.#queues) {
      this.waiting += queue.count();
      if (queue.size === 0) this.#queues.delete(queue);
    }
  }
}

/** The messages that were sent to one peer and still wait in this process. */
export class SendQueue {
  readonly #socket: WebSocket;
  readonly #memory: SharedMemory;
  /** What was sent. */
  readonly #sent = { bytes: 0, messages: 0 };
  /** What had been sent at earlier counts, from the last that has left on. */
  readonly #counts = [{ bytes: 0, messages: 0 }];
  /** The bytes of memory that waited at the last count, at most. */
  size = 0;

  constructor(socket: WebSocket, memory: SharedMemory) {
    this.#socket = socket;
    this.#memory = memory;
  }

  /** Sends a message if there is room for it, and says whether there is. */
  send(data: string | ArrayBuffer): boolean {
    const bytes = Buffer.byteLength(data);
    if (!this.#memory.hasRoom(this, bytes + MESSAGE_OVERHEAD)) return false;
    this.#socket.send(data);
    this.#sent.bytes += bytes;
    this.#sent.messages++;
    return true;
  }

  /**
   * Asks the socket what waits, and returns how much memory it takes, at most. It
   * says how many bytes wait, and not how many messages: those of an earlier
   * count have left when their bytes have, because they leave in order.
   */
  count(): number {
    const { readyState, bufferedAmount } = this.#socket;
    // A socket that is closing says 0, but the runtime keeps the messages.
    if (readyState !== WebSocket.OPEN) return this.size;
    const left = this.#sent.bytes - bufferedAmount;
    const last = this.#counts.findLastIndex(({ bytes }) => bytes <= left);
    this.#counts.splice(0, last);
    // No socket tells of empty messages. When no bytes wait, they have left.
    const messages = bufferedAmount > 0
      ? this.#sent.messages - this.#counts[0]!.messages
      : 0;
    if (this.#counts.at(-1)!.messages < this.#sent.messages) {
      this.#counts.push({ ...this.#sent });
    }
    return this.size = bufferedAmount + messages * MESSAGE_OVERHEAD;
  }

  /** Gives the memory back, because the connection is closed. */
  release(): void {
    this.size = 0;
  }
}
