import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeEnvelope } from "../src/envelope.js";
import { isKombuError } from "../src/errors.js";
import { SerializerRegistry } from "../src/serialization.js";

const registry = new SerializerRegistry();
const bytes = new Uint8Array([0, 255, 10]);

function text(body: Uint8Array): string {
  return Buffer.from(body).toString();
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return isKombuError(error) ? error.code : String(error);
  }
  return undefined;
}

/** What kombu stored under a name of the vectors. */
function stored(name: string) {
  const fixtures = JSON.parse(readFileSync(new URL("./fixtures/envelopes.json", import.meta.url), "utf8"));
  const found = fixtures.find((c: { case: string }) => c.case === name);
  return decodeEnvelope(Buffer.from(found.envelope))!.content;
}

describe("SerializerRegistry.dumps()", () => {
  it.each([
    ["an object as JSON", { a: 1 }, {}, '{"a": 1}', "application/json", "utf-8"],
    ["null as JSON", null, {}, "null", "application/json", "utf-8"],
    ["a number as JSON", 1.5, {}, "1.5", "application/json", "utf-8"],
    ["text as text", "Thé", {}, "Thé", "text/plain", "utf-8"],
    ["empty text as text", "", {}, "", "text/plain", "utf-8"],
    ["text as JSON when told", "Thé", { serializer: "json" }, '"Th\\u00e9"', "application/json", "utf-8"],
    ["text as raw when told", "Thé", { serializer: "raw" }, "Thé", "application/data", "utf-8"],
    [
      "text with its own type",
      "<x/>",
      { contentType: "application/xml" },
      "<x/>",
      "application/xml",
      "utf-8",
    ],
  ])("dumps() writes %s", (_, value, options, body, contentType, contentEncoding) => {
    const dumped = registry.dumps(value, options);
    expect({ ...dumped, body: text(dumped.body) }).toEqual({ body, contentType, contentEncoding });
  });

  it("dumps() leaves bytes alone and says that they are binary", () => {
    expect(registry.dumps(bytes)).toEqual({
      body: bytes,
      contentType: "application/data",
      contentEncoding: "binary",
    });
    expect(registry.dumps(bytes, { contentType: "image/x" })).toMatchObject({ contentEncoding: "binary" });
    expect(registry.dumps(bytes, { contentType: "image/x", contentEncoding: "utf-8" })).toMatchObject({
      contentEncoding: "utf-8",
    });
  });

  it("dumps() writes text in the encoding it is told to, or says which character it cannot", () => {
    const options = { contentType: "text/plain", contentEncoding: "latin-1" };
    expect(registry.dumps("é", options).body).toEqual(Buffer.from([0xe9]));
    expect(() => registry.dumps("a董", options)).toThrow('latin-1 cannot write "董"');
    expect(() => registry.dumps("é", { ...options, contentEncoding: "us-ascii" })).toThrow(
      'cannot write "é"',
    );
    expect(() => registry.dumps("é", { ...options, contentEncoding: "utf-16" })).toThrow(
      "give bytes in that encoding",
    );
    expect(codeOf(() => registry.dumps("\ud800"))).toBe("not_serializable");
  });

  it.each([
    [{ a: undefined }, {}, "not_serializable"],
    [{ a: 1 }, { serializer: "text" }, "not_serializable"],
    [{ a: 1 }, { serializer: "raw" }, "not_serializable"],
    [{ a: 1 }, { contentType: "application/xml" }, "invalid_argument"],
    [{ a: 1 }, { serializer: "jsn" }, "serializer_unknown"],
    [{ a: 1 }, { serializer: "pickle" }, "content_disallowed"],
    [{ a: 1 }, { serializer: "toString" }, "serializer_unknown"],
  ])("dumps() refuses %o with %o: %s", (value, options, code) => {
    expect(codeOf(() => registry.dumps(value, options))).toBe(code);
  });
});

describe("SerializerRegistry.loads()", () => {
  const json = Buffer.from('{"é": [1, NaN]}');

  it.each([
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    " application/json ;q=1",
  ])("loads() reads JSON by its media type, however it is spelled: %j", (contentType) => {
    expect(registry.loads(json, contentType, "utf-8")).toEqual({ é: [1, Number.NaN] });
    expect(registry.loads(json, contentType)).toEqual({ é: [1, Number.NaN] });
  });

  it("loads() takes the charset of the media type when nothing else says the encoding", () => {
    const latin = Buffer.from('{"é": 1}', "latin1");
    expect(registry.loads(latin, 'application/json; charset="ISO-8859-1"')).toEqual({ é: 1 });
    expect(registry.loads(Buffer.from("é", "utf16le"), "text/plain; charset=utf-16le")).toBe("é");
    expect(() => registry.loads(latin, "application/json")).toThrow("says that it is utf-8 text, but is not");
    expect(() => registry.loads(latin, "text/plain", "klingon")).toThrow('got "klingon"');
  });

  it("loads() gives text or bytes of types that it does not know, by their encoding", () => {
    expect(registry.loads(Buffer.from("<é/>"), "application/xml", "utf-8")).toBe("<é/>");
    expect(registry.loads(Buffer.from("hi"), undefined, undefined)).toBe("hi");
    expect(registry.loads(bytes, "image/png", "binary")).toEqual(bytes);
    expect(registry.loads(bytes, "application/data", "ASCII-8BIT")).toEqual(bytes);
    expect(codeOf(() => registry.loads(bytes, "application/data", "utf-8"))).toBe("decode_failed");
  });

  it("loads() leaves an empty body empty, whatever its type", () => {
    const empty = new Uint8Array();
    expect(registry.loads(empty, "text/plain", "utf-8")).toBe("");
    expect(registry.loads(empty, "application/json", "utf-8")).toEqual(empty);
    expect(registry.loads(empty, "application/data", "binary")).toEqual(empty);
  });

  it("loads() accepts what the list names, by name or type, and raw data and text always", () => {
    const accept = ["json"];
    expect(registry.loads(json, "application/json", "utf-8", { accept })).toBeDefined();
    expect(
      registry.loads(json, "APPLICATION/JSON; x=y", "utf-8", { accept: ["application/json"] }),
    ).toBeDefined();
    expect(registry.loads(bytes, "application/data", "binary", { accept: [] })).toEqual(bytes);
    expect(registry.loads(Buffer.from("x"), "application/text", "utf-8", { accept: [] })).toBe("x");
    expect(registry.loads(Buffer.from("x"), "text/plain", "utf-8", { accept })).toBe("x");
    expect(registry.loads(Buffer.from("x"), undefined, undefined, { accept: [] })).toBe("x");
  });

  it.each([
    ["application/json", ["text"]],
    ["application/json", []],
    ["application/x-msgpack", ["json", "yaml"]],
    ["application/xml", ["json", "text/plain"]],
  ])("loads() refuses %s when accept is %j", (contentType, accept) => {
    expect(codeOf(() => registry.loads(json, contentType, "utf-8", { accept }))).toBe("content_disallowed");
    expect(() => registry.loads(json, contentType, "utf-8", { accept })).toThrow(
      "application/data, application/text",
    );
  });

  it("loads() refuses a name in accept that it does not know, before it looks at the body", () => {
    expect(codeOf(() => registry.loads(json, "application/json", "utf-8", { accept: ["jsom"] }))).toBe(
      "serializer_unknown",
    );
  });

  it("loads() refuses a pickle and says why, whatever is accepted, enabled or forced", () => {
    const own = new SerializerRegistry();
    const { body, contentType, contentEncoding } = stored("serializer/pickle");
    const type = contentType!;
    for (const options of [{}, { accept: [type] }, { accept: ["json"] }, { force: true }]) {
      expect(codeOf(() => own.loads(body, type, contentEncoding, options))).toBe("content_disallowed");
      expect(() => own.loads(body, type, contentEncoding, options)).toThrow("can run any code of its sender");
    }
    expect(codeOf(() => own.enable("pickle"))).toBe("content_disallowed");
    expect(codeOf(() => own.enableInsecureSerializers(["yaml", "pickle"]))).toBe("content_disallowed");
  });

  it.each(["yaml", "msgpack"])("loads() reads %s only where it is accepted, enabled or forced", (name) => {
    const own = new SerializerRegistry();
    const { body, contentType, contentEncoding } = stored(`serializer/${name}`);
    const load = (options = {}) => own.loads(body, contentType, contentEncoding, options);
    const value = { hello: "world", n: 1, u: "Thé 董 😀" };
    expect(codeOf(load)).toBe("content_disallowed");
    expect(load).toThrow(`name it in accept, or call serializers.enable("${name}") if you trust all senders`);
    expect(load({ accept: [name] })).toEqual(value);
    expect(load({ accept: [contentType!] })).toEqual(value);
    expect(load({ force: true })).toEqual(value);
    expect(codeOf(() => load({ accept: ["json"], force: true }))).toBe("content_disallowed");
    own.enable(name);
    expect(load()).toEqual(value);
    own.disable(contentType!);
    expect(codeOf(load)).toBe("content_disallowed");
    own.enableInsecureSerializers();
    expect(load()).toEqual(value);
    own.disableInsecureSerializers();
    expect(codeOf(load)).toBe("content_disallowed");
    expect(codeOf(() => own.loads(Buffer.from("1"), "application/json"))).toBeUndefined();
    own.disableInsecureSerializers([name]);
    expect(load()).toEqual(value);
    expect(codeOf(() => own.loads(Buffer.from("1"), "application/json"))).toBe("content_disallowed");
  });

  it("loads() gives the values of both generations of kombu's JSON", () => {
    const load = (name: string) => {
      const { body, contentType, contentEncoding } = stored(name);
      return registry.loads(body, contentType, contentEncoding);
    };
    const both = { decimal: "1.10", time: "03:04:05.000006", float: 1e22, nan: Number.NaN };
    const uuid = "12345678-1234-5678-1234-567812345678";
    expect(load("json-types@5.2.4")).toMatchObject({ ...both, uuid, dt_utc: "2024-01-02T03:04:05Z" });
    expect(load("json-types")).toMatchObject({
      ...both,
      uuid,
      dt_utc: new Date("2024-01-02T03:04:05Z"),
      date: "2024-01-02",
      bytes_bin: new Uint8Array([255, 0]),
      bigint: 1180591620717411303424n,
    });
  });
});

describe("SerializerRegistry.register()", () => {
  const reverse = {
    name: "reverse",
    contentType: "application/x-reverse",
    contentEncoding: "utf-8",
    encode: (value: unknown) => Buffer.from([...String(value)].reverse().join("")),
    decode: (body: Uint8Array) => [...text(body)].reverse().join(""),
  };

  it("register() adds a serializer by name and type, and unregister() takes it away by either", () => {
    for (const key of ["reverse", "Application/X-Reverse"]) {
      const own = new SerializerRegistry();
      own.register(reverse);
      const { body, contentType, contentEncoding } = own.dumps("abc", { serializer: "reverse" });
      expect(text(body)).toBe("cba");
      expect(own.loads(body, contentType, contentEncoding, { accept: ["reverse"] })).toBe("abc");
      own.unregister(key);
      own.unregister(key);
      expect(codeOf(() => own.dumps("abc", { serializer: "reverse" }))).toBe("serializer_unknown");
      expect(own.loads(body, contentType, contentEncoding)).toBe("cba");
    }
  });

  it("register() touches only its own registry", () => {
    new SerializerRegistry().register(reverse);
    expect(codeOf(() => new SerializerRegistry().typeOf("reverse"))).toBe("serializer_unknown");
  });

  it("register() enables what it adds, in place of what was there, and adds pickle for nobody", () => {
    const own = new SerializerRegistry();
    own.register({ ...reverse, name: "msgpack", contentType: "application/x-msgpack" });
    expect(own.loads(Buffer.from("cba"), "application/x-msgpack", "binary")).toBe("abc");
    const pickle = { ...reverse, name: "pickle", contentType: "application/x-python-serialize" };
    expect(codeOf(() => own.register(pickle))).toBe("content_disallowed");
  });

  it("register() keeps the cause of what a serializer throws", () => {
    const own = new SerializerRegistry();
    const cause = new RangeError("no");
    const fail = () => {
      throw cause;
    };
    own.register({ ...reverse, encode: fail, decode: fail });
    const body = Buffer.from("x");
    for (const action of [
      () => own.dumps(1, { serializer: "reverse" }),
      () => own.loads(body, "application/x-reverse"),
    ]) {
      expect(action).toThrow(expect.objectContaining({ cause }));
    }
    expect(codeOf(() => own.loads(body, "application/x-reverse"))).toBe("decode_failed");
  });

  it("register() takes a serializer with one side: the other is text or an error", () => {
    const own = new SerializerRegistry();
    own.register({ name: "half", contentType: "text/half", contentEncoding: "utf-8", decode: () => "read" });
    expect(own.loads(Buffer.from("x"), "text/half")).toBe("read");
    expect(codeOf(() => own.dumps("x", { serializer: "half" }))).toBe("serializer_unknown");
  });
});
