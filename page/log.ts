/// <reference lib="dom" />
// A log on a page that stays usable with very many lines.

/** How many lines a log keeps. */
const MAX_LINES = 500;

/** How many lines are read aloud at a time. If there are more, their number. */
const MAX_ANNOUNCED = 3;

/** Milliseconds for which new lines are collected, to be shown together. */
const INTERVAL = 50;

/** What a line is about. It is also the class of its element. */
export type Kind = "sent" | "received" | "note" | "failure";

/** What a screen reader says before a line. */
const SPOKEN: Record<Kind, string> = {
  sent: "Sent. ",
  received: "Received. ",
  note: "",
  failure: "Failed. ",
};

/** A list of lines that scrolls, and follows the newest line. */
export class Log {
  #list: HTMLElement;
  #dropped: HTMLElement;
  #announcer: HTMLElement;
  #waiting: [Kind, string][] = [];
  #droppedLines = 0;
  #scheduled = false;

  /** @param element It contains `.lines` with `.dropped`, and `[aria-live]`. */
  constructor(element: HTMLElement) {
    this.#list = element.querySelector(".lines")!;
    this.#dropped = element.querySelector(".dropped")!;
    this.#announcer = element.querySelector("[aria-live]")!;
  }

  /** Adds a line, always as text, whatever it contains. */
  add(kind: Kind, text: string): void {
    this.#waiting.push([kind, text]);
    if (!this.#scheduled) setTimeout(() => this.#show(), INTERVAL);
    this.#scheduled = true;
  }

  /** Removes all lines. */
  clear(): void {
    this.#waiting = [];
    this.#droppedLines = 0;
    this.#list.replaceChildren(this.#dropped);
    this.#dropped.textContent = "";
  }

  #show(): void {
    const list = this.#list;
    const lines = this.#waiting;
    this.#waiting = [];
    this.#scheduled = false;
    // A reader who has scrolled up stays there.
    const below = list.scrollHeight - list.scrollTop - list.clientHeight;

    list.append(...lines.slice(-MAX_LINES).map(makeItem));
    this.#droppedLines += Math.max(0, lines.length - MAX_LINES);
    while (list.childElementCount > MAX_LINES + 1) {
      this.#dropped.nextElementSibling!.remove();
      this.#droppedLines++;
    }
    if (this.#droppedLines > 0) {
      const count = this.#droppedLines.toLocaleString("en");
      this.#dropped.textContent = `Older lines that are not shown: ${count}`;
    }
    if (below < 20) list.scrollTop = list.scrollHeight;

    this.#announcer.textContent = lines.length <= MAX_ANNOUNCED
      ? lines.map(([kind, text]) => SPOKEN[kind] + text.slice(0, 200))
        .join("\n")
      : `${lines.length} new lines`;
  }
}

function makeItem([kind, text]: [Kind, string]): HTMLElement {
  const item = document.createElement("div");
  item.className = `line ${kind}`;
  if (SPOKEN[kind] !== "") {
    const spoken = document.createElement("span");
    spoken.className = "spoken";
    spoken.textContent = SPOKEN[kind];
    item.append(spoken);
  }
  item.append(text);
  return item;
}
