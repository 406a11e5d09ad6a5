import { describe, expect, test } from "vitest";
import { authorizationAddress } from "../../src/sign-in/authorization-request.js";

const REQUEST = {
  clientId: "c",
  redirectUri: "http://127.0.0.1:1234",
  scopes: ["openid", "https://example.com/queue"],
  state: "the-state",
  // Both of RFC 7636, appendix B.
  codeVerifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
};
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

function parametersOf(authUri: string): Readonly<Record<string, string>> {
  return Object.fromEntries(new URL(authorizationAddress({ ...REQUEST, authUri })).searchParams);
}

describe("authorizationAddress()", () => {
  test("authorizationAddress() asks for a code with a challenge, and for a refresh token", () => {
    expect(parametersOf("https://login.example.com/authorize#top")).toEqual({
      response_type: "code",
      client_id: "c",
      redirect_uri: "http://127.0.0.1:1234",
      scope: "openid https://example.com/queue",
      state: "the-state",
      code_challenge: CHALLENGE,
      code_challenge_method: "S256",
      access_type: "offline",
      prompt: "consent",
    });
  });

  test("authorizationAddress() keeps the query of an address, but for what must be ours", () => {
    const uri =
      "https://login.example.com/authorize?tenant=a%20b&prompt=login&state=x&code_challenge_method=plain";
    expect(parametersOf(uri)).toMatchObject({
      tenant: "a b",
      prompt: "login",
      access_type: "offline",
      state: "the-state",
      code_challenge_method: "S256",
    });
  });
});
