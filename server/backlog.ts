/**
 * Estimates how much memory the echoes take that peers have not read yet, and
 * says when a peer has more than its share.
 *
 * @module
 */

import { KiB, MiB } from "../shared/units.ts";

/** Bytes that a waiting message takes in the runtime beyond its own bytes. */
export const MESSAGE_OVERHEAD = KiB;

/**
 * A peer may use at most this share of the memory that is still free. This is
 * the dynamic threshold with which network switches share a buffer (Choudhury
 * and Hahne, 1998): one peer gets much, many get less each, and some memory is
 * always left for the next one.
 */
const SHARE = 1 / 4;

/**
 * The bytes that a peer may always use, even when no memory is free. So a peer
 * that reads each echo before it sends again is never cut off for messages of
 * up to 7 KiB. All peers together must fit into the memory with this.
 */
const LEAST = 8 * KiB;

/**
 * The size of a buffer that makes glibc keep freed memory, in bytes. See
 * {@linkcode keepFreedMemory}.
 */
const LARGEST_KEPT = 31 * MiB;

/** The memory that all peers of a process share. */
export class SharedMemory {
  /** How many bytes there are to share. */
  readonly size: number;
  /** The bytes that all backlogs take. */
  used = 0;
  /** The bytes that nothing but the end of the process will surely free. */
  lost = 0;
  /** All backlogs that are not released. */
  readonly backlogs: Set<Backlog> = new Set();
  /** The bytes that are kept for peers that use no more than {@linkcode LEAST}. */
  readonly #reserve: number;

  /**
   * @param size How many bytes there are to share.
   * @param peers How many peers there can be.
   */
  constructor(size: number, peers: number) {
    this.size = size;
    this.#reserve = peers * LEAST;
    keepFreedMemory();
  }

  /** How many bytes are free for peers that want more than the least. */
  get free(): number {
    return this.size - this.#reserve - this.used - this.lost;
  }
}

/**
 * Frees a large buffer once. From then on glibc takes memory for buffers that
 * are smaller from its heap, and keeps up to twice as much when it is freed (see
 * M_MMAP_THRESHOLD in mallopt(3)). Otherwise every message of 128 KiB or more
 * gets new pages from the kernel, which takes longer than to echo it.
 */
function keepFreedMemory(): void {
  new ArrayBuffer(LARGEST_KEPT).transfer(0);
}

/**
 * The messages that were sent to one peer and still wait in this process.
 *
 * A socket says how many bytes wait, but not how many messages. Messages leave
 * in the order in which they were sent. So if 1,000 bytes were sent and 300 of
 * them wait, then the first 700 bytes have left, and with them every message
 * that ended within them. For this, the position at which each message ended is
 * remembered until the message has left.
 */
export class Backlog {
  readonly #socket: Pick<WebSocket, "bufferedAmount" | "readyState">;
  readonly #memory: SharedMemory;
  /** Positions of the ends of messages. Those before #first have left. */
  #ends: number[] = [];
  #first = 0;
  /** The bytes sent so far. */
  #position = 0;
  /** Where the last message that has left ended. */
  #left = 0;
  /** The bytes that wait, as last known. */
  #buffered = 0;
  /** The bytes of memory, as last counted in the shared memory. */
  #size = 0;

  /**
   * @param socket The connection to the peer.
   * @param memory What it shares with the other peers.
   */
  constructor(
    socket: Pick<WebSocket, "bufferedAmount" | "readyState">,
    memory: SharedMemory,
  ) {
    this.#socket = socket;
    this.#memory = memory;
  }

  /** Counts a message that is sent, of so many bytes. */
  add(bytes: number): void {
    this.#position += bytes;
    this.#ends.push(this.#position);
    this.#buffered += bytes;
    this.#account(this.#size + bytes + MESSAGE_OVERHEAD);
  }

  /**
   * Checks whether this peer has more than its share, or whether there is no room
   * for another message.
   *
   * @param buffered The `bufferedAmount` of the socket, which must be open.
   * @param bytes The bytes of the message, at most.
   */
  isFull(buffered: number, bytes: number): boolean {
    this.#count(buffered);
    if (!this.#isOver(bytes)) return false;
    // The others may have read since they were last counted.
    for (const backlog of this.#memory.backlogs) backlog.update();
    return this.#isOver(bytes);
  }

  #isOver(bytes: number): boolean {
    const cost = bytes + MESSAGE_OVERHEAD;
    if (this.#size + cost <= LEAST) return false;
    const { free } = this.#memory;
    return this.#size > SHARE * free || cost > free;
  }

  /** Returns the memory that the waiting messages take, in bytes. */
  update(): number {
    // A socket that is closing says 0, but the runtime keeps the messages.
    if (this.#socket.readyState !== WebSocket.OPEN) return this.#size;
    return this.#count(this.#socket.bufferedAmount);
  }

  /**
   * Counts the messages that wait. An empty message moves no position: it waits
   * until a byte that was sent after it has left.
   */
  #count(buffered: number): number {
    this.#buffered = buffered;
    const left = this.#position - buffered;
    while (this.#first < this.#ends.length) {
      const end = this.#ends[this.#first]!;
      const empty = end === this.#left;
      if (end > left || (empty && end === left)) break;
      this.#left = end;
      this.#first++;
    }
    // Forget those that have left: many at a time, because it moves the others.
    if (this.#first >= 64 && this.#first * 2 >= this.#ends.length) {
      this.#ends.splice(0, this.#first);
      this.#first = 0;
    }
    const messages = this.#ends.length - this.#first;
    return this.#account(buffered + messages * MESSAGE_OVERHEAD);
  }

  /** Gives the memory back, when the peer has read all or TCP has ended. */
  release(): void {
    this.#buffered = 0;
    this.#account(0);
  }

  /**
   * Gives the memory up, when the connection is closed but the runtime may keep
   * it, and with it the messages. Only their bytes count as lost. Otherwise a
   * peer could make the server lose much with many messages that are empty.
   */
  lose(): void {
    if (this.#buffered > LEAST) this.#memory.lost += this.#buffered;
    this.release();
  }

  #account(size: number): number {
    if (size === this.#size) return size;
    this.#memory.used += size - this.#size;
    this.#size = size;
    if (size > 0) this.#memory.backlogs.add(this);
    else this.#memory.backlogs.delete(this);
    return size;
  }
}
