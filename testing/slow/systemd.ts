import { assertEquals } from "@std/assert";
import unit from "../../deploy/websocket-echo@.service" with { type: "text" };
import { runToEnd } from "../processes.ts";
import { permitted } from "../permitted.ts";
import { findTool } from "./tools.ts";

const ANALYZE = findTool("systemd", ["/usr/bin/systemd-analyze"]);

Deno.test(
  "deploy/websocket-echo@.service is a unit that systemd takes, and that exposes little",
  permitted({ ignore: ANALYZE === undefined }),
  async () => {
    const folder = await Deno.makeTempDir();
    const file = `${folder}/websocket-echo@8001.service`;
    // Deno may be elsewhere on this machine, and systemd looks for it.
    await Deno.writeTextFile(
      file,
      unit.replace("/usr/local/bin/deno", Deno.execPath()),
    );
    const verified = await runToEnd(ANALYZE!, ["verify", "--man=no", file]);
    assertEquals([verified.code, verified.stderr], [0, ""]);
    // From 0 for no exposure to 100.
    const limits = ["security", "--offline=true", "--threshold=15", file];
    const { code, stdout } = await runToEnd(ANALYZE!, limits);
    assertEquals(code, 0, stdout);
    await Deno.remove(folder, { recursive: true });
  },
);
