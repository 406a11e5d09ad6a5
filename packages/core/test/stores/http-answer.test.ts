import { describe, expect, test } from "vitest";
import { parseAnswer } from "../../src/stores/http-answer.js";

/** Bytes of an answer with so many items that it is taken for a large one. */
const answer = (text: string) => Buffer.from(text);
const payload = Buffer.from("x".repeat(3_000));
const item = { id: "t", payloadBase64: payload.toString("base64url"), retry_count: 1 };

describe("parseAnswer()", () => {
  test("gives the payloads of a large answer's items as bytes, and all else as it stands", () => {
    const items = [{ payloadBase64: "" }, item, { id: "none" }, { ...item, id: '"payloadBase64":"' }];
    expect(parseAnswer(answer(JSON.stringify({ kind: "k", items })))).toEqual({
      kind: "k",
      items: [
        { payloadBase64: Buffer.alloc(0) },
        { ...item, payloadBase64: payload },
        { id: "none" },
        { ...item, id: '"payloadBase64":"', payloadBase64: payload },
      ],
    });
  });

  test.each([
    ["a payload of a task alone", JSON.stringify(item)],
    ["a payload deeper down", JSON.stringify({ items: [{ deep: item }] })],
    ["what is no base64", JSON.stringify({ items: [item, { payloadBase64: "=====".repeat(9) }] })],
    [
      "an escaped payload",
      JSON.stringify({ items: [item] }).replace('"payloadBase64":"e', '"payloadBase64":"\\u0065'),
    ],
    ["a number for a payload", JSON.stringify({ items: [{ payloadBase64: 0 }, item] })],
    [
      "a number for a payload, and one elsewhere",
      JSON.stringify({ items: [{ payloadBase64: 0 }], more: item }),
    ],
    ["a payload before its items", JSON.stringify({ more: item, items: [item] })],
    [
      "more payloads than a call may have",
      JSON.stringify({ items: Array(1001).fill({ payloadBase64: "" }) }),
    ],
    ["a name that ends like the payload's", JSON.stringify({ items: [item, { 'a"payloadBase64': "x" }] })],
    [
      "a payload that is named twice",
      `{"items":[{"payloadBase64":"eA","payloadBase64":"${item.payloadBase64}"}]}`,
    ],
    ["an indented answer", JSON.stringify({ items: [item] }, null, 2)],
    ["characters beyond ASCII", JSON.stringify({ items: [{ ...item, tag: "ü" }] })],
  ])("reads %s as JSON alone", (_, text) => {
    expect(parseAnswer(answer(text))).toEqual(JSON.parse(text));
  });

  test("throws for what is no JSON, and gives undefined for nothing", () => {
    const text = JSON.stringify({ items: [item] });
    expect(() => parseAnswer(answer(text.slice(0, -1)))).toThrow(SyntaxError);
    expect(() => parseAnswer(answer(text.slice(0, 1_000)))).toThrow(SyntaxError);
    expect(() => parseAnswer(answer(text.slice(0, 4_000)))).toThrow(SyntaxError);
    expect(parseAnswer(answer(""))).toBeUndefined();
  });
});
