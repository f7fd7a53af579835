// Bounds the memory for the echoes that peers have not read yet.
//
// Deno cannot pause a peer that sends without reading. So the peers of a process
// share a limited memory for what waits, and each has 8 KiB for itself. A peer
// whose waiting messages take more than a quarter of what is still free gets no
// more. This is the dynamic threshold with which network switches share a buffer
// (Choudhury and Hahne, 1998): one slow peer gets much, many get less each, and
// some memory is always left for the next one.

import { KiB } from "./units.ts";

/** Bytes that a waiting message takes in the runtime beyond its own bytes. */
export const MESSAGE_OVERHEAD = KiB;

/** The share of the free memory that one peer may use. */
const SHARE = 1 / 4;

/**
 * The bytes that each peer has for itself. So a peer that reads each echo before
 * it sends again is never cut off for messages of up to 7 KiB, or for texts of
 * up to 2,389 characters.
 */
const OWN_BYTES = 8 * KiB;

/** The memory that all peers of a process share. */
export class SharedMemory {
  readonly #size: number;
  /** The bytes that queues take, beyond what each has for itself. */
  used = 0;
  /** The queues that take some of it. */
  readonly queues: Set<SendQueue> = new Set();

  /**
   * @param size How many bytes there are for all.
   * @param peers How many peers there can be.
   */
  constructor(size: number, peers: number) {
    this.#size = size - peers * OWN_BYTES;
  }

  /** How many bytes are free. */
  get free(): number {
    return this.#size - this.used;
  }
}

/**
 * The messages that were sent to one peer and still wait in this process.
 *
 * A socket says how many bytes wait, but not how many messages. They leave in
 * order: if 1,000 bytes were sent and 300 of them wait, then every message that
 * ended within the first 700 bytes has left. To ask takes time. So what waits is
 * estimated, never too low, and asked for beyond {@linkcode OWN_BYTES}.
 */
export class SendQueue {
  readonly #socket: WebSocket;
  readonly #memory: SharedMemory;
  /** The positions at which messages ended. Those before #first have left. */
  #ends: number[] = [];
  #first = 0;
  /** The bytes sent so far. Of a text, only its length is known. */
  #position = 0;
  /** The bytes of memory that the waiting messages take, at most. */
  #size = 0;

  constructor(socket: WebSocket, memory: SharedMemory) {
    this.#socket = socket;
    this.#memory = memory;
  }

  /** Sends a message if there is room for it, and says whether there is. */
  send(data: string | ArrayBuffer): boolean {
    const least = typeof data === "string" ? data.length : data.byteLength;
    const most = maxBytesOf(data);
    if (!this.#hasRoom(most + MESSAGE_OVERHEAD)) return false;
    this.#socket.send(data);
    this.#position += least;
    // An empty message moves no position. It waits, as far as one can tell,
    // until a byte that was sent after it has left.
    this.#ends.push(least === 0 ? this.#position + 0.5 : this.#position);
    this.#resize(this.#size + most + MESSAGE_OVERHEAD);
    return true;
  }

  #hasRoom(bytes: number): boolean {
    if (this.#size + bytes <= OWN_BYTES) return true;
    this.update();
    if (this.#fits(bytes)) return true;
    // The others may have read since they were last asked.
    for (const queue of this.#memory.queues) queue.update();
    return this.#fits(bytes);
  }

  #fits(bytes: number): boolean {
    if (this.#size + bytes <= OWN_BYTES) return true;
    const { free } = this.#memory;
    return this.#size - OWN_BYTES <= SHARE * free && bytes <= free;
  }

  /** Asks the socket what still waits. */
  update(): void {
    // A socket that is closing says 0, but the runtime keeps the messages.
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const { bufferedAmount } = this.#socket;
    const left = this.#position - bufferedAmount;
    while (this.#ends[this.#first]! <= left) this.#first++;
    // Forget those that have left: many at a time, because it moves the others.
    if (2 * this.#first > this.#ends.length) {
      this.#ends.splice(0, this.#first);
      this.#first = 0;
    }
    const messages = this.#ends.length - this.#first;
    this.#resize(bufferedAmount + messages * MESSAGE_OVERHEAD);
  }

  /** Gives the memory back, because the connection is closed. */
  release(): void {
    this.#ends = [];
    this.#first = 0;
    this.#resize(0);
  }

  #resize(size: number): void {
    const shared = (size: number) => Math.max(0, size - OWN_BYTES);
    this.#memory.used += shared(size) - shared(this.#size);
    if (size > OWN_BYTES) this.#memory.queues.add(this);
    else if (this.#size > OWN_BYTES) this.#memory.queues.delete(this);
    this.#size = size;
  }
}

/**
 * Returns how many bytes a message has, at most: three for each UTF-16 code unit
 * of a text. To count them exactly takes longer than to ask the socket later.
 */
export function maxBytesOf(data: string | ArrayBuffer): number {
  return typeof data === "string" ? 3 * data.length : data.byteLength;
}
