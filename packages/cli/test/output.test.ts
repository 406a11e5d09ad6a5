import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { Output, type OutputStream } from "../src/output.js";

function terminalStream(): OutputStream {
  return Object.assign(new PassThrough(), { isTTY: true });
}

function textOf(stream: OutputStream): string {
  return String((stream as unknown as PassThrough).read() ?? "");
}

function outputs(options: { readonly terminal: boolean; readonly json?: boolean; readonly env?: object }) {
  const make = () => (options.terminal ? terminalStream() : new PassThrough());
  const stdout = make();
  const stderr = make();
  const output = new Output({ stdout, stderr, env: { ...options.env }, json: options.json ?? false });
  return { output, stdout, stderr };
}

describe("Output", () => {
  test("bold() colours on a terminal, but not in a pipe, with NO_COLOR, for a dumb terminal or for JSON", () => {
    expect(outputs({ terminal: true }).output.bold("x")).toBe("\u001b[1mx\u001b[22m");
    expect(outputs({ terminal: false }).output.bold("x")).toBe("x");
    expect(outputs({ terminal: true, env: { NO_COLOR: "1" } }).output.bold("x")).toBe("x");
    expect(outputs({ terminal: true, env: { TERM: "dumb" } }).output.bold("x")).toBe("x");
    expect(outputs({ terminal: true, json: true }).output.bold("x")).toBe("x");
  });

  test("write() rejects when nobody reads any more", async () => {
    const { output, stdout } = outputs({ terminal: false });
    stdout.on("error", () => {});
    stdout.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    await expect(output.write("x")).rejects.toBeInstanceOf(Error);
  });

  test("error() and warn() let no server's words move the cursor or colour the terminal", () => {
    const { output, stderr } = outputs({ terminal: true });
    output.error("refused", "no\u001b[2J\u009b31m\r\nnext line");
    output.warn("refused", "no\u001b]0;title\u0007");
    expect(textOf(stderr)).toBe(
      "pullqueue: no\\u001b[2J\\u009b31m\\u000d\nnext line (refused)\npullqueue: no\\u001b]0;title\\u0007 (refused)\n",
    );
  });

  test("error() and warn() write one line, as JSON where that was asked for; note() is for people only", () => {
    const human = outputs({ terminal: false });
    human.output.error("not_found", "there is no queue");
    human.output.note("a remark");
    expect(textOf(human.stderr)).toBe("pullqueue: there is no queue (not_found)\na remark\n");

    const json = outputs({ terminal: false, json: true });
    json.output.error("not_found", "there is no queue");
    json.output.warn("lease_lost", "gone");
    json.output.note("a remark");
    expect(textOf(json.stderr)).toBe(
      '{"error":{"code":"not_found","message":"there is no queue"}}\n' +
        '{"warning":{"code":"lease_lost","message":"gone"}}\n',
    );
  });

  test("progress() draws on a terminal, over itself, and removes the line; elsewhere it is silent", () => {
    const shown = outputs({ terminal: true });
    const progress = shown.output.progress();
    progress.update("1 task");
    progress.update("2 tasks"); // Too soon to be drawn.
    progress.done();
    expect(textOf(shown.stderr)).toBe("\r\u001b[K1 task\r\u001b[K");

    const silent = outputs({ terminal: false });
    silent.output.progress().update("1 task");
    silent.output.progress().done();
    expect(textOf(silent.stderr)).toBe("");
  });
});
