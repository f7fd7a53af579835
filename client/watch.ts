// Waits for the steps of a conversation, and judges how it went.

import { printable } from "../shared/printable.ts";
import { describeCauses, type Facts } from "./causes.ts";
import {
  closeCodeOf,
  ConversationError,
  describeClose,
  describeDrop,
  describeWrongChoice,
  type Failure,
  NOT_SENT,
  type Stage,
  withoutCredentials,
} from "./failure.ts";
import type { ConverseOptions } from "./options.ts";
import { describeRefusal } from "./refusal.ts";
import { type Show, showWithoutSecrets } from "./secrets.ts";

/** Milliseconds to wait for the close when the conversation has failed already. */
const CLOSE_TIMEOUT = 1000;

/** Watches the client's end of a connection. */
export class Watch {
  readonly #socket: WebSocket;
  readonly #url: string;
  readonly #options: ConverseOptions;
  readonly #timeout: number;
  readonly #show: Show;
  readonly #start: number = performance.now();
  /** When it opened and when it ended, in milliseconds. */
  #openedAt?: number;
  #endedAt?: number;
  #stage: Stage = "handshake";
  /** How many messages were to be sent, were sent and arrived. */
  #count = 0;
  #sent = 0;
  #received = 0;
  /** The last message that arrived, and when one was sent or arrived last. */
  #last: string | ArrayBuffer = "";
  #lastAt = 0;
  #found = false;
  /** The message of the error event, empty in browsers. */
  #error?: string;
  #close?: CloseEvent;
  #isUnsent = false;
  /** What had not arrived when the wait for the answers ended, in words. */
  #missing?: string;
  /** Whether the connection ended before the client closed it. */
  #endedEarly = false;
  /** Is called after every event. */
  #onEvent = () => {};

  /** Starts to watch a socket that is connecting. The URL is as it was given. */
  constructor(socket: WebSocket, url: string | URL, options: ConverseOptions) {
    this.#socket = socket;
    // In Deno, the socket's own URL has lost the credentials.
    const { username, password } = new URL(url, socket.url);
    this.#url = Object.assign(new URL(socket.url), { username, password }).href;
    this.#options = options;
    this.#timeout = options.timeout ?? 10_000;
    this.#show = showWithoutSecrets(this.#url, options);

    socket.addEventListener("open", () => {
      this.#openedAt = this.#lastAt = performance.now();
    });
    socket.addEventListener("message", ({ data }) => {
      this.#received++;
      this.#last = data;
      this.#lastAt = performance.now();
      const { expect } = options;
      if (expect === undefined || this.#found) return;
      const isText = typeof data === "string";
      const text = isText ? data : new TextDecoder().decode(data);
      this.#found = text.includes(expect);
    });
    socket.addEventListener("error", (event) => {
      this.#error = (event as ErrorEvent).message ?? "";
      // The server had closed: the last message was not sent after all, and the
      // code of the close is lost.
      this.#isUnsent = NOT_SENT.test(this.#error);
      if (this.#isUnsent) this.#sent--;
      this.#endedAt ??= performance.now();
    });
    socket.addEventListener("close", (event) => {
      this.#close = event;
      this.#endedAt ??= performance.now();
    });
    for (const type of ["open", "message", "error", "close"]) {
      socket.addEventListener(type, () => this.#onEvent());
    }
  }

  /**
   * Waits until the connection is open.
   *
   * @throws {ConversationError} If it does not open in time, or with a
   * subprotocol or an extension that was not offered.
   */
  async opened(): Promise<void> {
    const { protocols = [], headers, client, signal } = this.#options;
    const isOpened = () => this.#openedAt !== undefined;
    await this.#wait(() => isOpened() || this.#isOver, this.#timeout);
    const facts = this.#facts;
    if (!isOpened() && !this.#isOver) {
      this.#socket.close();
      const causes = describeCauses({ ...facts, timedOut: true });
      const problem =
        `No answer to the opening handshake ${this.#inTime}${causes}`;
      throw this.#failure(problem, { timedOut: true });
    }
    if (!isOpened()) {
      await this.#closeBriefly();
      const rest = this.#start + this.#timeout - performance.now();
      const { problem, ...failure } = await describeRefusal(
        { url: this.#url, protocols, headers, client, signal },
        facts,
        this.#error ?? "",
        Math.max(0, rest),
        this.#show,
      );
      signal?.throwIfAborted();
      throw this.#failure(problem, failure);
    }
    this.#stage = "messages";
    const choice = describeWrongChoice(this.#socket, protocols, this.#show);
    if (choice === undefined) return;
    await this.#closeBriefly();
    throw this.#failure(choice);
  }

  /** Waits after a message, or until the connection is over. In milliseconds. */
  async pause(milliseconds: number): Promise<void> {
    this.#sent++;
    this.#lastAt = performance.now();
    await this.#wait(() => this.#isOver, milliseconds);
  }

  /**
   * Waits until the expected message has arrived, or as many as were to be sent,
   * or the connection is over. Without messages, it must stay open for a pause.
   */
  async answered(count: number, pause: number): Promise<void> {
    const { expect } = this.#options;
    this.#count = count;
    if (count === 0) await this.#wait(() => this.#isOver, pause);
    const isComplete = () =>
      expect !== undefined
        ? this.#found
        : count > 0
        ? Math.min(this.#sent, this.#received) >= count
        : this.#socket.readyState === WebSocket.OPEN;
    await this.#wait(() => isComplete() || this.#isOver, this.#timeout);
    this.#endedEarly = this.#socket.readyState !== WebSocket.OPEN;
    if (!isComplete()) this.#missing = this.#describeMissing();
  }

  /**
   * Waits until the connection is closed, and judges the conversation.
   *
   * @throws {ConversationError} If the conversation failed.
   */
  async closed(): Promise<void> {
    const missing = this.#missing;
    if (missing !== undefined && !this.#endedEarly) {
      await this.#closeBriefly();
      const causes = describeCauses({ ...this.#facts, timedOut: true });
      throw this.#failure(missing + causes, { timedOut: true });
    }
    this.#stage = missing === undefined ? "close" : "messages";
    if (this.#error !== undefined) await this.#closeBriefly();
    else await this.#wait(() => this.#close !== undefined, this.#timeout);
    const close = this.#close;
    const isDropped = this.#error !== undefined || close?.wasClean === false;
    if (isDropped && !this.#isUnsent) {
      const drop = describeDrop(this.#error ?? "");
      const isBroken = drop.includes("broke");
      const facts = { ...this.#facts, ...(isBroken && { closeCode: 1002 }) };
      throw this.#failure(drop + this.#timeOpen + describeCauses(facts));
    }
    if (close === undefined) {
      const problem = `No answer to the close ${this.#inTime}`;
      throw this.#failure(problem, { timedOut: true });
    }
    const how = describeClose(close, this.#show);
    const isGood = this.#isUnsent || close.code === 1000 || close.code === 1005;
    if (missing !== undefined) {
      // Whether a message left before the server closed is a race. So the code,
      // which may be lost, is told only if it says more than that it closed.
      const hasFinished = this.#sent < this.#count && isGood;
      throw this.#failure(
        `The server closed ${missing}${hasFinished ? "" : `, with ${how}`}` +
          this.#timeOpen + this.#lastMessage + describeCauses(this.#facts),
      );
    }
    // Deno says 1005 also if TCP ended without a close frame after the close.
    if (isGood) return;
    const causes = describeCauses(this.#facts);
    throw this.#failure(
      this.#endedEarly
        ? `The server closed with ${how}${this.#timeOpen}${causes}`
        : `The server answered the close with ${how}${causes}`,
    );
  }

  /** Returns what did not arrive: in time, or before the connection ended. */
  #describeMissing(): string {
    const { expect } = this.#options;
    const count = this.#count;
    if (expect !== undefined) {
      // As in a program, because it may contain quotes.
      const text = printable(JSON.stringify(expect), 200);
      return this.#endedEarly
        ? `before a message contained ${text}`
        : `No message contained ${text} ${this.#inTime}${this.#lastMessage}`;
    }
    const came = Math.min(this.#sent, this.#received);
    if (!this.#endedEarly) {
      return `Only ${this.#received} of ${count} messages came back ${this.#inTime}${this.#lastMessage}`;
    }
    return count === 0
      ? "too early"
      : this.#sent === 0
      ? "before a message was sent"
      : `too early, after ${came} of ${count} messages`;
  }

  /** The last message that came, for a line, or that none came. */
  get #lastMessage(): string {
    const last = this.#last;
    const shown = typeof last === "string" ? this.#show(last) : printable(last);
    if (this.#received === 0) return this.#options.expect ? "; none came" : "";
    return this.#received === 1
      ? `; the only one that came: ${shown}`
      : `; the last of ${this.#received} that came: ${shown}`;
  }

  /** What was seen so far. */
  get #facts(): Facts {
    const { protocols = [], headers = {} } = this.#options;
    const names = Object.keys(headers).map((name) => name.toLowerCase());
    const { username, searchParams } = new URL(this.#url);
    // After a time-out, the client has closed.
    const isTold = this.#openedAt !== undefined &&
      (this.#endedEarly || this.#missing === undefined);
    const close = isTold ? this.#close : undefined;
    return {
      url: withoutCredentials(this.#url),
      stage: this.#stage,
      offered: protocols.length > 0,
      credentials: username !== "" || [...names, ...searchParams.keys()]
        .some((name) => /authorization|cookie|token|\bkey\b/i.test(name)),
      origin: names.includes("origin"),
      closeCode: this.#isUnsent ? 1000 : close && closeCodeOf(close),
      reason: close?.reason,
      count: this.#count,
      sent: this.#sent,
      received: this.#received,
      silence: (this.#endedAt ?? 0) - this.#lastAt,
    };
  }

  /** Whether the connection has ended. Node.js 22 may fire no close event. */
  get #isOver(): boolean {
    return this.#endedAt !== undefined;
  }

  get #inTime(): string {
    return `within ${this.#timeout / 1000} s (timed out)`;
  }

  /** How long the connection was open, for a line about its end. */
  get #timeOpen(): string {
    const time = (this.#endedAt ?? 0) - (this.#openedAt ?? 0);
    return `, ${(time / 1000).toFixed(1)} s after it opened`;
  }

  #failure(problem: string, failure: Failure = {}): ConversationError {
    const url = printable(withoutCredentials(this.#url));
    const closeCode = this.#openedAt !== undefined && this.#isOver
      ? closeCodeOf(this.#close ?? { code: 0 })
      : undefined;
    const line = problem.replace("(timed out) (", "(timed out; ");
    return new ConversationError(`${url}: ${line}`, {
      stage: this.#stage,
      closeCode,
      ...failure,
    });
  }

  /** Closes the connection, and waits for a moment, so that its end is logged. */
  async #closeBriefly(): Promise<void> {
    this.#socket.close();
    const milliseconds = Math.min(CLOSE_TIMEOUT, this.#timeout);
    await this.#wait(() => this.#close !== undefined, milliseconds);
  }

  /** Waits until a condition holds, but not for longer than so many milliseconds. */
  async #wait(condition: () => boolean, milliseconds: number): Promise<void> {
    const { signal } = this.#options;
    if (condition() && !signal?.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    // While a server floods the client with messages, no timer runs.
    const end = performance.now() + milliseconds;
    this.#onEvent = () => {
      if (condition() || performance.now() > end) resolve();
    };
    const abort = () => resolve();
    signal?.addEventListener("abort", abort);
    if (!signal?.aborted) await promise;
    signal?.removeEventListener("abort", abort);
    this.#onEvent = () => {};
    clearTimeout(timer);
    if (signal?.aborted) this.#socket.close();
    signal?.throwIfAborted();
  }
}
