import { assert, assertEquals } from "@std/assert";
import { show, showWithoutSecrets } from "./secrets.ts";

Deno.test("show() shows the beginning of a text, safe to print", () => {
  assertEquals(show("\x1b[2J\u202e"), "\\u001b[2J\\u202e");
  assertEquals(show("a".repeat(200)), "a".repeat(200));
  assertEquals(show("a".repeat(201)), "a".repeat(200) + "…");
});

Deno.test("showWithoutSecrets() takes out what a server repeats of the headers", () => {
  const showText = showWithoutSecrets("wss://a/", {
    headers: {
      Authorization: "Bearer to/ken+1==",
      Cookie: 'session=abcd/1; name="quoted"; b=2; sid=s%3Aabc%2Fdef',
      "X-Key": "a key with blanks",
      Origin: "https://example.org",
    },
  });
  for (
    const [text, expected] of [
      ["Bearer to/ken+1==!", "Bearer …!"],
      ["no to/ken+1==, no to/ken+1==", "no …, no …"],
      ['{"token":"to\\/ken+1=="}', '{"token":"…"}'],
      ["abcd/1, abcd\\/1, quoted", "…, …, …"],
      ["session=abcd/1", "session=…"],
      ["with blanks", "…"],
      ["key with blanks", "…"],
      ["a key with blanks", "…"],
      ["https://example.org is forbidden", "https://example.org is forbidden"],
      [
        "Invalid Bearer token: the session has expired",
        "Invalid Bearer token: the session has expired",
      ],
      ["b is 2", "b is 2"],
      ["s:abc/def, s%3Aabc%2Fdef", "…, …"],
    ] as const
  ) assertEquals(showText(text), expected);
});

Deno.test("showWithoutSecrets() takes out what a server repeats of the URL", () => {
  for (
    const [credentials, text, expected] of [
      ["me:p%40ss", "p%40ss, p@ss", "…, …"],
      ["me:p%40ss", `Basic ${btoa("me:p@ss")}`, "Basic …"],
      ["me:%C3%BCber", `\u00fcber ${btoa("me:\xc3\xbcber")}`, "… …"],
      ["me:%zz12", "%zz12", "…"],
      ["me:12345", "12345", "…"],
      ["me:a%2Fb%2Fc", "a/b/c a\\/b\\/c", "… …"],
      // A gap in a word would tell it.
      ["me:abc", "abcdef", "abcdef"],
      ["me", "me, name", "me, name"],
      ["0123456789abcdef", "0123456789abcdef", "…"],
      ["0123456789abcdef", btoa("0123456789abcdef:"), "…"],
      ["0123456789abcde", "0123456789abcde", "0123456789abcde"],
    ] as const
  ) {
    const showText = showWithoutSecrets(`wss://${credentials}@a/`);
    assertEquals(showText(text), expected, credentials);
  }
});

Deno.test("showWithoutSecrets() takes out the password of Basic credentials", () => {
  const headers = { Authorization: `Basic ${btoa("me:pass:word")}` };
  const showText = showWithoutSecrets("ws://a/", { headers });
  assertEquals(showText("me:pass:word"), "me:…");
  const wrong = showWithoutSecrets("ws://a/", {
    headers: { Authorization: "Basic a" },
  });
  assertEquals(wrong("Basic a"), "Basic a");
});

Deno.test("showWithoutSecrets() takes out what is left of a token", () => {
  const headers = { Authorization: "Bearer 0123456789abcdef" };
  const showText = showWithoutSecrets("ws://a/", { headers });
  assertEquals(showText("bad token 0123456789ab"), "bad token …");
  assertEquals(showText("bad token 01234567 0123456"), "bad token … 0123456");
  const short = showWithoutSecrets("ws://me:passwordlong@a/");
  assertEquals(short("Wrong number: PasswordLong"), "Wrong number: …");
  // The secret is cut where the search ends.
  const text = showText("0123456789abcdef ".repeat(1000));
  assertEquals(text.includes("0"), false, text);
});

Deno.test("showWithoutSecrets() takes out the longer one of two secrets first", () => {
  const headers = { A: "secret", B: "secret-and-more" };
  const showText = showWithoutSecrets("ws://a/", { headers });
  assertEquals(showText("secret-and-more"), "…");
});

/** What is shown of a text that repeats a secret in another form. */
const NOTHING = "… (it repeats a secret that it was sent)";

Deno.test("showWithoutSecrets() shows nothing of a text that repeats a secret in another form", () => {
  const token = "abc/efgh+2345678=ijkl";
  for (
    const headers of [
      { Authorization: `Bearer ${token}` },
      { Cookie: `${token}; a=b` },
      { "X-Key": token },
    ] as Record<string, string>[]
  ) {
    const showText = showWithoutSecrets("wss://a/", { headers });
    for (
      const [text, expected] of [
        [`no ${token}!`, "no …!"],
        [`no ${token.toUpperCase()}!`, "no …!"],
        ["no abc/efgh!", "no …!"],
        ["no efgh+2345678 and c/efg!", "no … and c/efg!"],
        ["no abc%2fefgh%2b2!", NOTHING],
        ["no abc&#47;efgh&#43;2!", NOTHING],
        ["no abc&#x2F;efgh!", NOTHING],
        ["no abc\\u002fefgh!", NOTHING],
        [`no ${btoa(token)}!`, NOTHING],
        ["no ABC%2FEFGH!", NOTHING],
        ["no abc&#00047;efgh!", NOTHING],
        ["no %ffabc%2fefgh!", NOTHING],
        ["no abc%252fefgh!", NOTHING],
        ["no abc\\x2fefgh!", NOTHING],
        [`see /${btoa(token).slice(0, 16)}`, NOTHING],
        ["Hallo &#304;stanbul", "Hallo &#304;stanbul"],
        ["no abc%2fefg!", "no abc%2fefg!"],
      ] as const
    ) assertEquals(showText(text), expected, text);
  }
});

Deno.test("showWithoutSecrets() takes no longer for a text that is made to", () => {
  const secret = "a".repeat(8000);
  const showText = showWithoutSecrets("wss://a/", {
    headers: { A: secret, B: secret },
  });
  const start = performance.now();
  assertEquals(showText(`${"a".repeat(7)}b`.repeat(1000)).length, 201);
  assertEquals(showText("&#97;%".repeat(1000)).length, 201);
  const time = performance.now() - start;
  assert(time < 1000, `It took ${time} ms`);
});

Deno.test("showWithoutSecrets() takes out a long subprotocol, which may be a token", () => {
  const protocols = ["chat.example.v1", "bearer.0123456789abcdef"];
  const showText = showWithoutSecrets("wss://a/", { protocols });
  assertEquals(
    showText("chat.example.v1, bearer.0123456789abcdef"),
    "chat.example.v1, …",
  );
});
