/**
 * Waits for the steps of a conversation, and judges how it went.
 *
 * @module
 */

import type { ConverseOptions } from "../main.ts";
import { printable } from "../shared/printable.ts";
import {
  ConversationError,
  describeClose,
  describeDrop,
  describeRefusal,
  describeWrongChoice,
} from "./failure.ts";

/**
 * Milliseconds to wait for the close when it is known already that the
 * conversation failed.
 */
const BRIEF = 1000;

/** Watches the client's end of a connection. */
export class Watch {
  readonly #socket: WebSocket;
  readonly #url: string;
  readonly #options: ConverseOptions;
  readonly #timeout: number;
  readonly #start: number = performance.now();
  #opened = false;
  #received = 0;
  #found = false;
  /** The message of the error event, empty in browsers. */
  #error?: string;
  #close?: CloseEvent;
  /** What the server still owes, when the wait for its answers has ended. */
  #missing?: string;
  /** Whether the connection ended before the client closed it. */
  #early = false;
  /** Is called after every event. */
  #look = () => {};

  /**
   * Starts to watch a socket that is connecting.
   *
   * @param socket The socket.
   * @param url Its URL as it was given, perhaps with credentials.
   * @param options What the conversation is meant to be.
   */
  constructor(socket: WebSocket, url: string | URL, options: ConverseOptions) {
    this.#socket = socket;
    // In Deno, the socket's own URL has lost the credentials.
    const { username, password } = new URL(url, socket.url);
    this.#url = Object.assign(new URL(socket.url), { username, password }).href;
    this.#options = options;
    this.#timeout = options.timeout ?? 10_000;

    socket.addEventListener("open", () => {
      this.#opened = true;
      this.#look();
    });
    socket.addEventListener("message", ({ data }) => {
      this.#received++;
      const { expect } = options;
      if (expect !== undefined && typeof data === "string") {
        this.#found ||= data.includes(expect);
      }
      this.#look();
    });
    socket.addEventListener("error", (event) => {
      this.#error = (event as ErrorEvent).message ?? "";
      this.#look();
    });
    socket.addEventListener("close", (event) => {
      this.#close = event;
      this.#look();
    });
  }

  /**
   * Waits until the connection is open.
   *
   * @throws {ConversationError} If it does not open in time, or with a
   * subprotocol or an extension that was not offered.
   */
  async opening(): Promise<void> {
    const { protocols = [], headers } = this.#options;
    await this.#wait(() => this.#opened || this.#isOver, this.#timeout);
    if (!this.#opened) {
      if (!this.#isOver) {
        this.#socket.close();
        throw this.#failure(
          `No answer to the opening handshake ${this.#inTime}`,
        );
      }
      await this.#closeBriefly();
      const rest = this.#start + this.#timeout - performance.now();
      const request = { url: this.#url, protocols, headers };
      throw this.#failure(
        await describeRefusal(request, this.#error ?? "", Math.max(0, rest)),
      );
    }
    const wrongChoice = describeWrongChoice(this.#socket, protocols);
    if (wrongChoice !== undefined) {
      await this.#closeBriefly();
      throw this.#failure(wrongChoice);
    }
  }

  /** Waits for so many milliseconds, or until the connection is over. */
  async pause(milliseconds: number): Promise<void> {
    await this.#wait(() => this.#isOver, milliseconds);
  }

  /**
   * Waits until so many messages have arrived, or the expected one, or the
   * connection is over.
   */
  async answers(count: number): Promise<void> {
    const { expect } = this.#options;
    const isEnough = () =>
      expect === undefined ? this.#received >= count : this.#found;
    await this.#wait(() => isEnough() || this.#isOver, this.#timeout);
    this.#early = this.#socket.readyState !== WebSocket.OPEN;
    if (isEnough() || this.#early) return;
    this.#missing = expect === undefined
      ? `Only ${this.#received} of ${count} messages came back ${this.#inTime}`
      : `No message contained "${printable(expect, 200)}" ${this.#inTime}; ${
        this.#received === 1
          ? "1 other message"
          : `${this.#received} other messages`
      } came`;
  }

  /**
   * Waits until the connection is closed, and looks back.
   *
   * @throws {ConversationError} If the conversation failed.
   */
  async closing(): Promise<void> {
    if (this.#missing !== undefined || this.#error !== undefined) {
      await this.#closeBriefly();
    } else {
      await this.#wait(() => this.#close !== undefined, this.#timeout);
    }
    const close = this.#close;
    if (this.#missing !== undefined) throw this.#failure(this.#missing);
    if (this.#error !== undefined || close?.wasClean === false) {
      throw this.#failure(describeDrop(this.#error ?? ""));
    }
    if (close === undefined) {
      throw this.#failure(`No answer to the close ${this.#inTime}`);
    }
    if (this.#early) {
      const how = describeClose(close);
      throw this.#failure(`The server closed too early, with ${how}`);
    }
    if (close.code !== 1000) {
      const how = describeClose(close);
      throw this.#failure(`The close was not answered with 1000: ${how}`);
    }
  }

  /** Whether the connection has ended. Node.js 22 may fire no close event. */
  get #isOver(): boolean {
    return this.#error !== undefined || this.#close !== undefined;
  }

  get #inTime(): string {
    return `within ${this.#timeout / 1000} s (timed out)`;
  }

  #failure(problem: string): ConversationError {
    return new ConversationError(this.#url, problem);
  }

  /** Closes the connection, and waits for a moment, so that its end is logged. */
  async #closeBriefly(): Promise<void> {
    this.#socket.close();
    const milliseconds = Math.min(BRIEF, this.#timeout);
    await this.#wait(() => this.#close !== undefined, milliseconds);
  }

  /** Waits until a condition holds, but not for longer than so many milliseconds. */
  async #wait(condition: () => boolean, milliseconds: number): Promise<void> {
    if (condition()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    // While a server floods the client with messages, no timer runs.
    const end = performance.now() + milliseconds;
    this.#look = () => {
      if (condition() || performance.now() > end) resolve();
    };
    await promise;
    this.#look = () => {};
    clearTimeout(timer);
  }
}
