import { assertEquals, assertMatch } from "@std/assert";
import { SIX_LINES, startEchoServer } from "../testing/processes.ts";

const NAMES = ["run", "net", "read", "write", "env", "sys"] as const;
const PERMITTED = NAMES.every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);

/** Where each browser may be, on Linux, macOS and Windows. */
const BROWSERS = {
  chrome: [
    "/usr/bin/chromium",
    "/usr/bin/google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  ],
  firefox: [
    "/usr/bin/firefox-esr",
    "/usr/bin/firefox",
    "/Applications/Firefox.app/Contents/MacOS/firefox",
    "C:\\Program Files\\Mozilla Firefox\\firefox.exe",
  ],
};

/** Chromium has no sandbox for root, and should talk to nobody but us. */
const CHROME_FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** What is used of a page of puppeteer-core. */
interface Page {
  goto(url: string): Promise<unknown>;
  on(event: string, listener: (message: Message) => void): void;
  click(selector: string): Promise<void>;
  focus(selector: string): Promise<void>;
  keyboard: { press(key: string): Promise<void> };
  evaluate(expression: string): Promise<unknown>;
  waitForFunction(expression: string): Promise<unknown>;
}

/** A message on a page's console, or an error of its script. */
interface Message {
  text?(): string;
}

/** Starts a browser, with one page, until it goes out of scope. */
async function open(browser: keyof typeof BROWSERS, executablePath: string) {
  // The specifier is kept from Deno's view: nobody is to download a browser's
  // driver who does not run this test.
  const specifier = ["npm:puppeteer-core", "25.16.0"].join("@");
  const { launch } = await import(specifier);
  const running = await launch({
    browser,
    executablePath,
    args: browser === "chrome" ? CHROME_FLAGS : [],
  });
  return {
    page: await running.newPage() as Page,
    [Symbol.asyncDispose]: () => running.close(),
  };
}

/** Waits until a log has so many lines, and returns them with their kinds. */
async function linesOf(page: Page, log: string, count: number) {
  const items = `[...document.querySelectorAll("#${log} li")]`;
  await page.waitForFunction(`${items}.length >= ${count}`);
  return await page.evaluate(
    `${items}.map((item) => [item.className, item.textContent])`,
  ) as [string, string][];
}

for (const browser of ["chrome", "firefox"] as const) {
  const path = PERMITTED ? BROWSERS[browser].find(isFile) : undefined;

  Deno.test({
    name: `The page works in ${browser}`,
    ignore: path === undefined,
    async fn(test) {
      await using server = await startEchoServer();
      await using running = await open(browser, path!);
      const { page } = running;
      const logged: string[] = [];
      page.on("console", (message) => logged.push(message.text!()));
      page.on("pageerror", (error) => logged.push(`${error}`));

      await test.step("the console and the page show the six lines", async () => {
        await page.goto(server.url.replace("ws", "http"));
        assertEquals(await linesOf(page, "conversation", 6), [
          ["note", "connected"],
          ["sent", "client -> server: Hello WebSocket!"],
          ["received", "client <- server: Hello WebSocket!"],
          ["sent", "client -> server: Hello World!"],
          ["received", "client <- server: Hello World!"],
          ["note", "disconnected"],
        ]);
        assertEquals(logged, SIX_LINES);
      });

      await test.step("the button runs it again", async () => {
        await page.click("#again");
        await page.waitForFunction(
          'document.querySelectorAll("#conversation li").length < 6',
        );
        const lines = await linesOf(page, "conversation", 6);
        assertEquals(lines.map(([, line]) => line), SIX_LINES);
        assertEquals(logged, [...SIX_LINES, ...SIX_LINES]);
      });

      await test.step("the form sends what one types, and shows it as text", async () => {
        const hostile = [
          "Hi!",
          "<img src=x onerror=console.log(1)>",
          "\x1b[2J\u202e",
        ];
        const safe = [hostile[0], hostile[1], "\\u001b[2J\\u202e"];
        const expected = [["note", "connected"]];
        for (const [i, text] of hostile.entries()) {
          await page.evaluate(
            `document.querySelector("input").value = ${JSON.stringify(text)}`,
          );
          await page.focus("input");
          await page.keyboard.press("Enter");
          expected.push(["sent", `client -> server: ${safe[i]}`]);
          expected.push(["received", `client <- server: ${safe[i]}`]);
          const lines = await linesOf(page, "messages", expected.length);
          assertEquals(lines, expected);
        }
        assertEquals(await page.evaluate("document.images.length"), 0);
      });

      await test.step("the close shows its code and reason, and one can go on", async () => {
        await page.click("#close");
        const closed = await linesOf(page, "messages", 8);
        assertEquals(closed.slice(7), [
          ["note", 'disconnected: 1000 (normal closure) "Closed by you"'],
        ]);
        await page.click("form button");
        const lines = await linesOf(page, "messages", 11);
        assertEquals(lines.slice(8).map(([kind]) => kind), [
          "note",
          "sent",
          "received",
        ]);
      });

      await test.step("the page says when the server goes away", async () => {
        server.kill("SIGTERM");
        await server.ended;
        const [[, line]] = (await linesOf(page, "messages", 12)).slice(11);
        // Windows has no signal to stop a process gently.
        assertMatch(line, /^disconnected: (1001 \(going away\)|1006)/);
        await page.click("form button");
        assertEquals((await linesOf(page, "messages", 14)).slice(12), [
          [
            "failure",
            "disconnected: Could not connect (the browser keeps the cause)",
          ],
          ["failure", "not sent: \\u001b[2J\\u202e"],
        ]);
        await page.click("#again");
        await page.waitForFunction(
          'document.querySelector("#conversation .failure") !== null',
        );
        assertEquals(await linesOf(page, "conversation", 2), [
          ["note", "disconnected"],
          [
            "failure",
            `${server.url}: Could not connect (the browser keeps the cause)`,
          ],
        ]);
      });
    },
  });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
