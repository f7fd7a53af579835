/**
 * Estimates how much memory the echoes take that peers have not read yet, and
 * says when a peer has more than its share.
 *
 * @module
 */

/** Bytes that a waiting message takes in the runtime beyond its own bytes. */
export const MESSAGE_OVERHEAD = 1024;

/**
 * A peer may use at most this share of the memory that is still free. This is
 * the dynamic threshold with which network switches share a buffer (Choudhury
 * and Hahne, 1998): one peer gets much, many get less each, and some memory is
 * always left for the next one.
 */
const SHARE = 1 / 4;

/**
 * The bytes that a peer may always use, even when no memory is free. Otherwise
 * a peer that reads could be cut off for two messages in a row.
 */
export const LEAST = 64 * 1024;

/** The memory that all peers of a process share. */
export class SharedMemory {
  /** The bytes that all backlogs take. */
  used = 0;
  /** The backlogs that take any memory. */
  readonly backlogs: Set<Backlog> = new Set();

  /** @param size How many bytes there are to share. */
  constructor(readonly size: number) {}

  /** How many bytes one peer may use now. */
  get limit(): number {
    return Math.max(LEAST, SHARE * (this.size - this.used));
  }
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
  /** Positions of the ends of messages. Those before #first have left. */
  #ends: number[] = [];
  #first = 0;
  /** The bytes sent so far. */
  #position = 0;
  /** Where the last message that has left ended. */
  #left = 0;
  /** The bytes of memory, as last counted in the shared memory. */
  #size = 0;

  /**
   * @param socket The connection to the peer.
   * @param memory What it shares with the other peers.
   */
  constructor(
    readonly socket: Pick<WebSocket, "bufferedAmount" | "readyState">,
    readonly memory: SharedMemory,
  ) {}

  /** Whether no message is counted as waiting. */
  get isEmpty(): boolean {
    return this.#first === this.#ends.length;
  }

  /**
   * Counts a message that was just sent, of so many bytes. If none waits before
   * it, and it has at least one byte and at most 64 KiB, it need not be counted:
   * should it still wait later, it is all that is buffered.
   */
  add(bytes: number): void {
    this.#position += bytes;
    this.#ends.push(this.#position);
    this.#account(this.#size + bytes + MESSAGE_OVERHEAD);
  }

  /**
   * Says whether this peer has more than its share, or whether there is no room
   * for another message.
   *
   * @param buffered The `bufferedAmount` of the socket, which must be open.
   * @param size The bytes of the message.
   */
  isFull(buffered: number, size: number): boolean {
    if (this.isEmpty) {
      if (buffered === 0 && size <= LEAST) return false;
      // The one message that was not counted.
      if (buffered > 0) this.add(buffered);
    }
    this.#count(buffered);
    if (!this.#isOver(size)) return false;
    // The others may have read since they were last counted.
    for (const backlog of this.memory.backlogs) backlog.update();
    return this.#isOver(size);
  }

  #isOver(size: number): boolean {
    const { used, limit } = this.memory;
    return this.#size > limit ||
      (size > LEAST && used + size > this.memory.size);
  }

  /** Returns the memory that the waiting messages take, in bytes. */
  update(): number {
    // A socket that is closing says 0, but the runtime keeps the messages.
    if (this.socket.readyState !== WebSocket.OPEN) return this.#size;
    return this.#count(this.socket.bufferedAmount);
  }

  /** Gives the memory back, when the peer has read all or is gone. */
  release(): void {
    this.#account(0);
  }

  /**
   * Counts the messages that wait. An empty message moves no position: it waits
   * until a byte that was sent after it has left.
   */
  #count(buffered: number): number {
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

  #account(size: number): number {
    if (size === this.#size) return size;
    this.memory.used += size - this.#size;
    this.#size = size;
    if (size > 0) this.memory.backlogs.add(this);
    else this.memory.backlogs.delete(this);
    return size;
  }
}
