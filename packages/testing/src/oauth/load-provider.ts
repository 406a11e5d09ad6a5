import type { Provider } from "oidc-provider";

/**
 * Imports oidc-provider, which warns of each Node older than its newest as soon as it is loaded. All else that it would say is prevented by
 * how it is configured.
 */
export async function loadProvider(): Promise<typeof Provider> {
  const { warn } = console;
  console.warn = () => {};
  try {
    return (await import("oidc-provider")).Provider;
  } finally {
    console.warn = warn;
  }
}
