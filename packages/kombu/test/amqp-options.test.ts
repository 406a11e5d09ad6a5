import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolveConnection } from "../src/connection-options.js";
import type { ConnectionOptions } from "../src/options.js";
import { formatTransportUrl } from "../src/transport-uri.js";

const settingsOf = (input: ConnectionOptions | string) => resolveConnection(input, {}).settings;

describe("amqp options", () => {
  // RabbitMQ's rules of URLs, and kombu's for the virtual host.
  it.each([
    ["amqp://", "localhost", 5672, "guest", "guest", "/"],
    ["amqp://host", "host", 5672, "guest", "guest", "/"],
    ["amqp://host/", "host", 5672, "guest", "guest", "/"],
    ["amqp://host/%2f", "host", 5672, "guest", "guest", "/"],
    ["amqp://host//foo", "host", 5672, "guest", "guest", "/foo"],
    ["amqp://user:pass@host:10000/vhost", "host", 10_000, "user", "pass", "vhost"],
    ["amqp://user%61:%61pass@ho%61st:10000/v%2fhost", "hoast", 10_000, "usera", "apass", "v/host"],
    ["amqp://:secret@/", "localhost", 5672, "guest", "secret", "/"],
    ["amqp://[::1]:1/x", "::1", 1, "guest", "guest", "x"],
    ["amqps://host", "host", 5671, "guest", "guest", "/"],
    ["PYAMQP://host", "host", 5672, "guest", "guest", "/"],
  ] as const)("resolveConnection() reads %s", (url, host, port, userId, password, virtualHost) => {
    const settings = settingsOf(url);
    expect(settings).toMatchObject({ host, port, userId, virtualHost, ssl: url.startsWith("amqps") });
    expect(Reflect.get(settings, "password")).toBe(password);
    expect(Object.keys(settings)).not.toContain("password");
  });

  it("resolveConnection() takes Python's names and units", () => {
    const transportOptions = {
      ...{ hostname: "h", userid: "u", virtual_host: "v", connect_timeout: 1.5, heartbeat: 10 },
      ...{ ssl_ca_certs: "ca", ssl_certfile: "cert", ssl_keyfile: "key" },
    };
    expect(settingsOf({ transport: "amqps", transportOptions })).toMatchObject({
      ...{
        host: "h",
        port: 5671,
        userId: "u",
        virtualHost: "v",
        connectTimeoutMs: 1500,
        heartbeatMs: 10_000,
      },
      ...{ ssl: true, caFile: "ca", certFile: "cert", keyFile: "key", verifyCertificate: true },
    });
    expect(settingsOf("amqp://h?heartbeat=0&connect_timeout=2")).toMatchObject({
      ...{ heartbeatMs: 0, connectTimeoutMs: 2000 },
    });
  });

  it.each([
    ["amqp:host", "followed by //"],
    ["amqp://h:70000", "port must be a whole number of port from 1 to 65535"],
    ["amqp://h?delayedDelivery=stream", "delayedDelivery must be one of"],
    ["amqp://h?lease_secs=5", "there is no option lease_secs"],
    ["amqp://h?password=x", "password does not stand in the query"],
  ])("resolveConnection() refuses %s", (url, message) => {
    expect(() => settingsOf(url)).toThrow(message);
  });

  it("formatTransportUrl() writes what resolveConnection() reads, and hides the password", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
    const options = fc.record(
      {
        ...{
          host: fc.constantFrom("h", "::1", "rabbit.example.com"),
          port: fc.integer({ min: 1, max: 65_535 }),
        },
        ...{ userId: text, password: text, virtualHost: text, ssl: fc.boolean() },
        ...{ verifyCertificate: fc.boolean(), heartbeatMs: fc.constantFrom(0, 1_000, 60_000) },
        ...{ connectTimeoutMs: fc.constantFrom(1_500, 5_000), caFile: fc.constantFrom("/a b/ca.pem") },
        delayedDelivery: fc.constantFrom("classic" as const, "quorum" as const),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(options, (transportOptions) => {
        const resolved = resolveConnection({ transport: "amqp", transportOptions }, {});
        const again = resolveConnection(formatTransportUrl(resolved, { includePassword: true }), {});
        expect(again).toEqual(resolved);
        expect(Reflect.get(again.settings, "password")).toBe(Reflect.get(resolved.settings, "password"));
        expect(formatTransportUrl(resolved)).toContain(":**@");
      }),
      { numRuns: 300 },
    );
  });
});
