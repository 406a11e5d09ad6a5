import { describe, expect, test } from "vitest";
import { redirectAddresses, redirectUri } from "../../src/sign-in/redirect-address.js";

const OOB = "urn:ietf:wg:oauth:2.0:oob";

function uris(registered: readonly string[], port?: number): string[] {
  return redirectAddresses(registered, port, "secrets.json").map(redirectUri);
}

describe("redirectAddresses()", () => {
  test.each<[readonly string[], number | undefined, readonly string[]]>([
    [[], undefined, ["http://127.0.0.1:0"]],
    [[OOB], undefined, ["http://127.0.0.1:0"]],
    [[OOB, "http://localhost"], undefined, ["http://localhost:0"]],
    [["http://localhost:80/"], undefined, ["http://localhost:0/"]],
    [["http://LOCALHOST/cb"], 0, ["http://localhost:0/cb"]],
    [["http://[::1]/"], undefined, ["http://[::1]:0/"]],
    // Those that fix a port are for when there is no other.
    [["http://localhost:8080/a", "http://127.0.0.1/b"], undefined, ["http://127.0.0.1:0/b"]],
    [
      ["http://localhost:8080/a", "http://localhost:8090/a"],
      undefined,
      ["http://localhost:8080/a", "http://localhost:8090/a"],
    ],
    [["http://localhost/any", "http://localhost:8080/a"], 8080, ["http://localhost:8080/a"]],
    [["http://localhost:8080/a", "http://localhost/any"], 9, ["http://localhost:9/any"]],
    [["http://localhost:8080/a"], 9, ["http://localhost:9/a"]],
    [[], 9, ["http://127.0.0.1:9"]],
    [["https://www.example.com/", "http://localhost"], undefined, ["http://localhost:0"]],
  ])("redirectAddresses() makes of %j and port %j: %j", (registered, port, expected) => {
    expect(uris(registered, port)).toEqual(expected);
  });

  test.each([
    "https://localhost/",
    "http://localhost.example.com/",
    "http://127.0.0.1@example.com/",
    "http://localhost:99999/",
    "http://localhost/?query",
    "com.example.app:/oauth",
    "app+http://localhost",
  ])("redirectAddresses() cannot be led back here by %s", (uri) => {
    expect(() => uris([uri])).toThrow(
      "secrets.json: none of the client's redirect_uris leads to this machine",
    );
  });
});
