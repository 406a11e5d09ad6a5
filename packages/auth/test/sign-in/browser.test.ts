import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { type TemporaryFolder, temporaryFolder } from "@pullqueue/testing";
import { describe, expect, test } from "vitest";
import { browserCommands, openInBrowser } from "../../src/sign-in/browser.js";

const ADDRESS = "https://id.example/auth?a=1&b=$(touch%20x)";

/** A program that writes down what it is given, and ends with a status. */
function program(folder: TemporaryFolder, name: string, status = 0): string {
  const path = folder.file(name);
  writeFileSync(path, `#!/bin/sh\nprintf '%s\\n' "$@" > '${path}.seen'\nexit ${status}\n`);
  chmodSync(path, 0o700);
  return path;
}

describe("browserCommands()", () => {
  test.each([
    ["darwin", {}, [{ program: "open", parameters: [ADDRESS] }]],
    [
      "win32",
      { SystemRoot: "D:\\Win", BROWSER: "C:\\x.exe" },
      [
        {
          program: "D:\\Win\\System32\\rundll32.exe",
          parameters: ["url.dll,FileProtocolHandler", ADDRESS],
        },
      ],
    ],
    ["linux", {}, []],
    ["linux", { DISPLAY: "" }, []],
    ["linux", { DISPLAY: ":0" }, [{ program: "xdg-open", parameters: [ADDRESS] }]],
    ["linux", { WAYLAND_DISPLAY: "wayland-0" }, [{ program: "xdg-open", parameters: [ADDRESS] }]],
    [
      "linux",
      { BROWSER: "firefox --new-window %s::lynx", DISPLAY: ":0" },
      [
        { program: "firefox", parameters: ["--new-window", ADDRESS] },
        { program: "lynx", parameters: [ADDRESS] },
        { program: "xdg-open", parameters: [ADDRESS] },
      ],
    ],
  ] as const)("browserCommands() are on %s with %j: %j", (platform, env, expected) => {
    expect(browserCommands(ADDRESS, { platform, env })).toEqual(expected);
  });

  test("browserCommands() are none for what is no address of the web", () => {
    for (const address of ["file:///etc/passwd", "--help", "javascript:alert(1)"]) {
      expect(browserCommands(address, { platform: "darwin", env: {} })).toEqual([]);
    }
  });
});

describe("openInBrowser()", () => {
  test("openInBrowser() gives the address to a program, whole and without a shell", async () => {
    using folder = temporaryFolder();
    const browser = program(folder, "browser");
    expect(await openInBrowser(ADDRESS, { platform: "linux", env: { BROWSER: browser } })).toBe(true);
    expect(readFileSync(`${browser}.seen`, "utf8")).toBe(`${ADDRESS}\n`);
  });

  test("openInBrowser() goes on to the next where a program is missing or fails", async () => {
    using folder = temporaryFolder();
    const browsers = [folder.file("missing"), program(folder, "failing", 3), program(folder, "third")];
    const env = { BROWSER: browsers.join(":") };
    expect(await openInBrowser(ADDRESS, { platform: "linux", env })).toBe(true);
    expect(existsSync(`${browsers[1]}.seen`)).toBe(true);
    expect(existsSync(`${browsers[2]}.seen`)).toBe(true);
  });

  test("openInBrowser() says that there is none", async () => {
    using folder = temporaryFolder();
    const env = { BROWSER: `${folder.file("missing")}:a\0b` };
    expect(await openInBrowser(ADDRESS, { platform: "linux", env })).toBe(false);
    expect(await openInBrowser(ADDRESS, { platform: "linux", env: {} })).toBe(false);
  });
});
