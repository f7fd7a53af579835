// Takes the place of WebSocket where no socket may be opened.

/** Echoes without a network, for a run without permissions. */
export class EchoingWebSocket extends EventTarget {
  static readonly OPEN = 1;
  readyState = 0;
  binaryType = "blob";
  protocol = "";
  extensions = "";

  readonly url: string;

  constructor(url: string) {
    super();
    this.url = url;
    this.#soon(1, () => new Event("open"));
  }

  send(data: string): void {
    this.#soon(1, () => new MessageEvent("message", { data }));
  }

  close(code: number): void {
    this.readyState = 2;
    this.#soon(3, () => new CloseEvent("close", { code, wasClean: true }));
  }

  /** Events are tasks of their own, as in the standard. */
  #soon(readyState: number, event: () => Event): void {
    setTimeout(() => {
      this.readyState = readyState;
      this.dispatchEvent(event());
    }, 0);
  }
}

/** Lets a class take the place of WebSocket until it goes out of scope. */
export function standIn(Replacement: typeof EchoingWebSocket): Disposable {
  const { WebSocket } = globalThis;
  Object.assign(globalThis, { WebSocket: Replacement });
  return {
    [Symbol.dispose]: () => Object.assign(globalThis, { WebSocket }),
  };
}
