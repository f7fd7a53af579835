// Were puppeteer-core in deno.json, everybody would download it.
// deno-lint-ignore-file no-import-prefix
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import {
  type ConsoleMessage,
  launch,
  type Page,
} from "npm:puppeteer-core@25.16.0";
import axe from "npm:axe-core@4.14.1";
import { setTimeout as delay } from "node:timers/promises";
import { SIX_LINES, startEchoServer } from "../processes.ts";
import { permitted } from "../permitted.ts";
import { CHROME_FLAGS, CHROMIUM, FIREFOX } from "./tools.ts";

const BROWSERS = { chrome: CHROMIUM, firefox: FIREFOX };

const UNKNOWN = "Could not connect (is the server running?)";

/** Opens the page of an echo server in a browser, until it goes out of scope. */
async function open(
  browser: keyof typeof BROWSERS,
  url: string,
  defaultViewport = { width: 1280, height: 720 },
) {
  const running = await launch({
    browser,
    executablePath: BROWSERS[browser]!,
    defaultViewport,
    args: browser === "chrome" ? CHROME_FLAGS : [],
  });
  const page = await running.newPage();
  page.setDefaultTimeout(20_000);
  const logged: string[] = [];
  page.on("console", (message: ConsoleMessage) => logged.push(message.text()));
  page.on("pageerror", (error: unknown) => logged.push(`${error}`));
  await page.goto(url.replace("ws", "http"));
  return {
    page,
    logged,
    [Symbol.asyncDispose]: () => running.close(),
  };
}

/**
 * Waits until an expression holds in the page. The page's policy keeps
 * waitForFunction() from working in Firefox 140.
 */
async function until(page: Page, expression: string): Promise<void> {
  const end = performance.now() + 20_000;
  while (!await page.evaluate(expression)) {
    if (performance.now() > end) {
      throw new Error(`It does not hold within 20 s: ${expression}`);
    }
    await delay(20);
  }
}

/** Waits until a log has so many lines, and returns them with their kinds. */
async function linesOf(page: Page, log: string, count: number) {
  const items = `[...document.querySelectorAll("#${log} .line")]`;
  await until(page, `${items}.length >= ${count}`);
  return await page.evaluate(
    `${items}.map((item) => [item.classList[1], item.lastChild.textContent])`,
  ) as [string, string][];
}

/** Sends a message through the form, as a visitor does. */
async function type(page: Page, message: string): Promise<void> {
  await page.evaluate(
    `document.querySelector("input").value = ${JSON.stringify(message)}`,
  );
  await page.focus("input");
  await page.keyboard.press("Enter");
}

/** Sends messages through the form, in a loop. */
function submit(page: Page, count: number, message: string): Promise<unknown> {
  return page.evaluate(`{
    document.querySelector("input").value = ${JSON.stringify(message)};
    for (let i = 0; i < ${count}; i++) {
      document.querySelector("form").requestSubmit();
    }
  }`);
}

/** Returns what an expression is in the page. */
async function get<T>(page: Page, expression: string): Promise<T> {
  return await page.evaluate(expression) as T;
}

const LIST = 'document.querySelector("#messages .lines")';
const FROM_BOTTOM =
  `${LIST}.scrollHeight - ${LIST}.scrollTop - ${LIST}.clientHeight`;
const STATE = 'document.querySelector("#state").textContent';
const NOT_CONNECTED = "Not connected";

/** What a visitor uses and looks at. Nothing of it may move by itself. */
const FIXED = ["#again", "input", "form button", "#close"].concat(
  "#conversation .lines",
  "#messages .lines",
);

/** Returns where elements are: left, top, right and bottom, in CSS pixels. */
async function rectanglesOf(page: Page, selectors: string[]) {
  return await get<[number, number, number, number][]>(
    page,
    `${JSON.stringify(selectors)}.map((selector) => {
      const element = document.querySelector(selector);
      const { left, top, right, bottom } = element.getBoundingClientRect();
      return [left, top, right, bottom];
    })`,
  );
}

/** Fails if the page can be scrolled, or if something is out of the window. */
async function assertOnOneScreen(page: Page, selectors: string[]) {
  const [width, height, scrollWidth, scrollHeight] = await get<
    [number, number, number, number]
  >(
    page,
    "[innerWidth, innerHeight, document.documentElement.scrollWidth, document.documentElement.scrollHeight]",
  );
  assert(scrollWidth <= width, `${scrollWidth} of ${width} pixels`);
  assert(scrollHeight <= height, `${scrollHeight} of ${height} pixels`);
  for (
    const [i, rectangle] of (await rectanglesOf(page, selectors)).entries()
  ) {
    const [left, top, right, bottom] = rectangle;
    assert(
      left >= 0 && top >= 0 && right <= width && bottom <= height,
      `${selectors[i]} is at ${rectangle}`,
    );
  }
}

for (const browser of ["chrome", "firefox"] as const) {
  const options = permitted({
    ignore: BROWSERS[browser] === undefined,
    timeout: 120_000,
  });

  Deno.test(
    `The page shows the conversation in ${browser}`,
    options,
    async () => {
      await using server = await startEchoServer();
      await using running = await open(browser, server.url);
      const { page, logged } = running;
      const sixLines = [
        ["note", "connected"],
        ["sent", "client -> server: Hello WebSocket!"],
        ["received", "client <- server: Hello WebSocket!"],
        ["sent", "client -> server: Hello World!"],
        ["received", "client <- server: Hello World!"],
        ["note", "disconnected"],
      ];
      assertEquals(await linesOf(page, "conversation", 6), sixLines);
      assertEquals(logged, SIX_LINES);

      // The button keeps the focus, and works once at a time.
      await page.focus("#again");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Enter");
      assertEquals(await get(page, "document.activeElement.id"), "again");
      await until(
        page,
        'document.querySelectorAll("#conversation .line").length < 6',
      );
      assertEquals(await linesOf(page, "conversation", 6), sixLines);
      await until(
        page,
        'document.querySelector("#again").ariaDisabled === "false"',
      );
      assertEquals(await get(page, "document.activeElement.id"), "again");
      assertEquals(logged, [...SIX_LINES, ...SIX_LINES]);
    },
  );

  Deno.test(
    `The page sends messages in ${browser}, and says what state it is in`,
    options,
    async () => {
      await using server = await startEchoServer();
      await using running = await open(browser, server.url);
      const { page, logged } = running;
      assertEquals(await get(page, STATE), NOT_CONNECTED);
      await page.click("#close");
      const lines = [["note", "nothing to close: not connected"]];
      assertEquals(await linesOf(page, "messages", 1), lines);

      lines.push(["note", "connected"]);
      for (
        const [message, shown] of [
          ["Hi!", "Hi!"],
          [
            "<img src=x onerror=console.log(1)>",
            "<img src=x onerror=console.log(1)>",
          ],
          ["\x1b[2J\u202e", "\\u001b[2J\\u202e"],
        ] as const
      ) {
        await type(page, message);
        lines.push(["sent", `client -> server: ${shown}`]);
        lines.push(["received", `client <- server: ${shown}`]);
        assertEquals(await linesOf(page, "messages", lines.length), lines);
      }
      assertEquals(await get(page, "document.images.length"), 0);
      assertEquals(await get(page, STATE), "Connected");

      await page.click("#close");
      lines.push([
        "note",
        'disconnected: "Closed by you", 1000 (normal closure)',
      ]);
      assertEquals(await linesOf(page, "messages", lines.length), lines);
      assertEquals(await get(page, STATE), NOT_CONNECTED);

      await type(page, "Again");
      assertEquals(
        (await linesOf(page, "messages", lines.length + 3)).slice(-3),
        [
          ["note", "connected"],
          ["sent", "client -> server: Again"],
          ["received", "client <- server: Again"],
        ],
      );
      await linesOf(page, "conversation", 6);
      assertEquals(logged, SIX_LINES);
    },
  );

  Deno.test(
    `The page says in ${browser} that the server went away`,
    options,
    async () => {
      await using server = await startEchoServer();
      await using running = await open(browser, server.url);
      const { page } = running;
      await linesOf(page, "conversation", 6);
      await type(page, "Hi!");
      await linesOf(page, "messages", 3);
      server.kill("SIGTERM");
      await server.ended;
      const [[, line]] = (await linesOf(page, "messages", 4)).slice(3) as [
        [string, string],
      ];
      // Windows has no signal to stop a process gently.
      assertMatch(
        line,
        /^disconnected: ("Server shutting down", 1001 \(going away\)|1006)/,
      );
      await type(page, "Still there?");
      assertEquals((await linesOf(page, "messages", 6)).slice(4), [
        ["failure", "disconnected: could not connect (is the server running?)"],
        ["failure", "not sent: Still there?"],
      ]);
      await page.click("#again");
      await until(
        page,
        'document.querySelector("#conversation .failure") !== null',
      );
      assertEquals(await linesOf(page, "conversation", 2), [
        ["note", "disconnected"],
        ["failure", `${server.url}: ${UNKNOWN}`],
      ]);
    },
  );

  for (const [width, height] of [[1280, 720], [380, 760]] as const) {
    Deno.test(
      `The page fits into ${width} x ${height} pixels in ${browser}, and nothing moves`,
      options,
      async () => {
        await using server = await startEchoServer();
        await using running = await open(browser, server.url, {
          width,
          height,
        });
        const { page } = running;
        await linesOf(page, "conversation", 1);
        assertNotEquals(
          await get(
            page,
            'getComputedStyle(document.querySelector("#messages .dropped"), "::before").content',
          ),
          "none",
        );
        const before = await rectanglesOf(page, FIXED);
        await linesOf(page, "conversation", 6);
        await assertOnOneScreen(page, [
          ...FIXED,
          "#conversation .line:last-child",
        ]);
        await type(page, "Hi!");
        await linesOf(page, "messages", 3);
        await assertOnOneScreen(page, [...FIXED, "#messages .line:last-child"]);
        await page.click("#again");
        await until(
          page,
          'document.querySelectorAll("#conversation .line").length < 6',
        );
        assertEquals(await rectanglesOf(page, FIXED), before);

        await submit(page, 300, "Hello?");
        await until(
          page,
          'document.querySelector("#messages .dropped").textContent.endsWith(": 103")',
        );
        await assertOnOneScreen(page, [
          ...FIXED,
          "#state",
          "#messages .line:last-child",
        ]);
        assertEquals(await rectanglesOf(page, FIXED), before);

        // The text of each line begins at the same place.
        const starts = await get<number[]>(
          page,
          `[...document.querySelectorAll("#messages .line")].map((item) => {
          const range = document.createRange();
          range.setStart(item.lastChild, 0);
          range.setEnd(item.lastChild, 1);
          return Math.round(range.getBoundingClientRect().left);
        })`,
        );
        assertEquals(new Set(starts).size, 1, `${starts}`);
      },
    );
  }

  Deno.test(
    `The page lets a visitor in ${browser} type on, and copy the log`,
    options,
    async () => {
      await using server = await startEchoServer();
      await using running = await open(browser, server.url);
      const { page } = running;
      await type(page, "First");
      await linesOf(page, "messages", 3);
      await page.keyboard.type("Second");
      await page.keyboard.press("Enter");
      await linesOf(page, "messages", 5);
      // Enter again repeats it.
      await page.keyboard.press("Enter");
      await linesOf(page, "messages", 7);

      await page.evaluate(`{
        const area = document.createElement("textarea");
        document.body.append(area);
        ${LIST}.focus();
        getSelection().selectAllChildren(${LIST});
      }`);
      await page.keyboard.down("Control");
      await page.keyboard.press("c");
      await page.focus("textarea");
      await page.keyboard.press("v");
      await page.keyboard.up("Control");
      await until(page, 'document.querySelector("textarea").value !== ""');
      assertEquals(
        (await get<string>(page, 'document.querySelector("textarea").value'))
          .split("\n").filter((line) => line !== ""),
        [
          "connected",
          "client -> server: First",
          "client <- server: First",
          "client -> server: Second",
          "client <- server: Second",
          "client -> server: Second",
          "client <- server: Second",
        ],
      );
    },
  );

  Deno.test(
    `converse() says in ${browser} that it sends no headers there`,
    options,
    async () => {
      await using server = await startEchoServer();
      await using running = await open(browser, server.url);
      const { page } = running;
      assertEquals(
        await get(
          page,
          `import("/main.ts")
          .then(({ converse }) => converse(location.origin, { headers: { a: "b" } }))
          .catch(({ name, message }) => name + ": " + message)`,
        ),
        "TypeError: a browser sends no other headers with a WebSocket than its own",
      );
    },
  );

  Deno.test(
    `The page stays usable in ${browser} with many and long messages`,
    options,
    async () => {
      await using server = await startEchoServer();
      await using running = await open(browser, server.url);
      const { page } = running;
      await linesOf(page, "conversation", 6);
      await type(page, "x".repeat(100_000));
      const [, [, sent]] = await linesOf(page, "messages", 3) as [
        unknown,
        [string, string],
      ];
      assertMatch(sent, /^client -> server: x{2000}… \(100,000 characters\)$/);
      assert(await get<number>(page, FROM_BOTTOM) < 20);

      // It follows the newest line, in a bounded height, and drops the oldest.
      await submit(page, 500, "Hello?");
      await until(
        page,
        'document.querySelector("#messages .dropped").textContent === "Older lines that are not shown: 503"',
      );
      assertEquals((await linesOf(page, "messages", 500)).length, 500);
      assert(await get<number>(page, FROM_BOTTOM) < 20);
      assertMatch(
        await get(
          page,
          'document.querySelector("#messages [aria-live]").textContent',
        ),
        /^(\d+ new lines|Sent\. client -> .*|Received\. client <- .*)$/s,
      );

      // A reader who has scrolled up stays there.
      await page.evaluate(`${LIST}.scrollTop = 0`);
      await type(page, "Below");
      await until(
        page,
        `${LIST}.lastChild.textContent.includes("<- server: Below")`,
      );
      assert(await get<number>(page, FROM_BOTTOM) > 1000);
    },
  );
}

Deno.test(
  "The page stays responsive in chrome with 10,000 messages in a loop",
  permitted({ ignore: BROWSERS.chrome === undefined, timeout: 120_000 }),
  async () => {
    await using server = await startEchoServer();
    await using running = await open("chrome", server.url);
    const { page } = running;
    await linesOf(page, "conversation", 6);
    await type(page, "Hi!");
    await linesOf(page, "messages", 3);
    await page.evaluate(`{
    globalThis.tasks = [];
    new PerformanceObserver((list) => {
      tasks.push(...list.getEntries().map(({ duration }) => duration));
    }).observe({ type: "longtask" });
    document.querySelector("input").value = "Hello?";
    setTimeout(() => {
      for (let i = 0; i < 10000; i++) {
        document.querySelector("form").requestSubmit();
      }
    });
  }`);
    await until(
      page,
      'document.querySelector("#messages .dropped").textContent.endsWith(": 19,503")',
    );
    // The loop is a long task by itself. Those after it must be short.
    const [loop, ...others] = await get<number[]>(page, "tasks");
    const longest = Math.max(0, ...others);
    console.log(
      `The loop took ${loop} ms, the longest task after it ${longest}`,
    );
    assert(longest < 400, `A task took ${longest} ms`);
  },
);

for (const scheme of ["light", "dark"]) {
  for (const [width, height] of [[1280, 720], [390, 800]] as const) {
    Deno.test(
      `The page is accessible in ${scheme} colors and ${width} x ${height} pixels`,
      permitted({ ignore: CHROMIUM === undefined, timeout: 120_000 }),
      async () => {
        await using server = await startEchoServer();
        await using running = await open("chrome", server.url, {
          width,
          height,
        });
        const { page } = running;
        await page.emulateMediaFeatures([
          { name: "prefers-color-scheme", value: scheme },
        ]);
        const violations = async () => {
          await page.evaluate(axe.source);
          return await get<string[]>(
            page,
            `axe.run().then(({ violations }) => violations.flatMap(
              ({ id, nodes }) => nodes.map(({ html }) => id + ": " + html)))`,
          );
        };
        assertEquals(await violations(), []);
        await type(page, "Hi!");
        await linesOf(page, "messages", 3);
        await linesOf(page, "conversation", 6);
        assertEquals(await violations(), []);

        // The logs show whole lines only.
        const [visible, line] = await get<[number, number]>(
          page,
          `[${LIST}.clientHeight, document.querySelector(".line").getBoundingClientRect().height]`,
        );
        const lines = visible / line;
        assert(Math.abs(lines - Math.round(lines)) < 0.05, `${lines} lines`);

        await page.goto(server.url.replace("ws", "http") + "elsewhere");
        assertEquals(await violations(), []);
      },
    );
  }
}

Deno.test(
  "The page says in chrome that it needs JavaScript",
  permitted({ ignore: BROWSERS.chrome === undefined }),
  async () => {
    await using server = await startEchoServer();
    await using running = await open("chrome", server.url);
    const { page } = running;
    await page.setJavaScriptEnabled(false);
    await page.reload();
    await page.setJavaScriptEnabled(true);
    assertMatch(
      await get(page, "document.body.innerText"),
      /This page needs JavaScript\./,
    );
  },
);

Deno.test(
  "The page says that a script could not be loaded",
  permitted({ ignore: CHROMIUM === undefined, timeout: 120_000 }),
  async () => {
    await using server = await startEchoServer();
    await using running = await open("chrome", server.url);
    const { page } = running;
    const isShown =
      'getComputedStyle(document.querySelector("#problem")).display !== "none"';
    await linesOf(page, "conversation", 1);
    assertEquals(await get(page, isShown), false);
    await page.setRequestInterception(true);
    page.on("request", (request) => {
      if (request.url().endsWith("/client/causes.ts")) request.abort();
      else request.continue();
    });
    await page.reload();
    await until(page, isShown);
  },
);
