import { describe, expect, test } from "vitest";
import { CLIENT_BATCH_PAYLOAD_BYTES, WAIT_MS_MAX } from "../../src/limits.js";
import { ROUTES } from "../../src/routes.js";
import { featuresOf, PLAIN_SERVER } from "../../src/stores/http-discovery.js";

const MARKER = {
  version: "1.0.0",
  anyQueueName: true,
  fences: true,
  leaseWaitMsMax: 20_000,
  batchItemsMax: 50,
  batchPayloadBytesMax: 1_000_000,
};

/** A discovery document with the methods of these names. */
function documentWith(methods: readonly string[], marker?: object) {
  const resources: Record<string, { methods: Record<string, object> }> = {};
  for (const name of methods) {
    const [resource = "", method = ""] = name.split(".");
    resources[resource] ??= { methods: {} };
    resources[resource].methods[method] = { id: `taskqueue.${name}` };
  }
  return { kind: "discovery#restDescription", resources, ...(marker && { "x-pullqueue": marker }) };
}

const ALL = Object.keys(ROUTES);

describe("featuresOf()", () => {
  test("featuresOf() reads what our server says of itself", () => {
    expect(featuresOf(documentWith(ALL, MARKER))).toMatchObject({
      extended: true,
      anyQueueName: true,
      waitMsMax: 20_000,
      batchItemsMax: 50,
      batchPayloadBytesMax: 1_000_000,
    });
  });

  test("featuresOf() takes a document without our marker for that of a plain server, such as Google's own", () => {
    expect(featuresOf(documentWith(ALL))).toBe(PLAIN_SERVER);
  });

  test.each(["tasks.batchInsert", "taskqueues.lease", "taskqueues.cancelLease", "taskqueues.wait"])(
    "featuresOf() does not count on a server that lacks %s",
    (missing) => {
      const methods = ALL.filter((name) => name !== missing);
      expect(featuresOf(documentWith(methods, MARKER)).extended).toBe(false);
    },
  );

  test("featuresOf() does not count on a server without fences, and knows which queues it manages", () => {
    expect(featuresOf(documentWith(ALL, { ...MARKER, fences: false })).extended).toBe(false);
    const methods = ALL.filter((name) => name !== "taskqueues.update");
    const features = featuresOf(documentWith(methods, MARKER));
    expect([features.extended, features.methods.has("taskqueues.update")]).toEqual([true, false]);
  });

  test("featuresOf() keeps numbers within what this client can do", () => {
    const marker = {
      ...MARKER,
      leaseWaitMsMax: "999999999",
      batchItemsMax: 0,
      batchPayloadBytesMax: undefined,
    };
    expect(featuresOf(documentWith(ALL, marker))).toMatchObject({
      waitMsMax: WAIT_MS_MAX,
      batchItemsMax: 1,
      batchPayloadBytesMax: CLIENT_BATCH_PAYLOAD_BYTES,
    });
  });

  test.each([
    [undefined],
    ["text"],
    [{}],
    [{ kind: "other" }],
    [{ ...documentWith(ALL, MARKER), resources: 7 }],
    [{ ...documentWith(ALL, MARKER), resources: { tasks: { methods: null } } }],
  ])("featuresOf() refuses what is no discovery document: %j", (json) => {
    expect(() => featuresOf(json)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  });
});
