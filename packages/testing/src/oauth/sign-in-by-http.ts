/** A person at a browser, without the browser: cookies, redirects and forms. */

/** How the person behaves. */
export interface PersonOptions {
  /** Who signs in. Default `me@example.com`. */
  readonly account?: string;
  /** Whether access is allowed. Default true. */
  readonly consent?: boolean;
}

/** Pages on the way; more means that it goes in circles. */
const PAGES_MAX = 12;

/**
 * Opens the address of a sign-in at the provider of `startOAuthProvider`, signs in, allows or cancels, and returns the address that the
 * browser would be led to at last, without opening it. Rejects with what the provider says when it leads nowhere.
 */
export async function signInByHttp(address: string, person: PersonOptions = {}): Promise<URL> {
  const { account = "me@example.com", consent = true } = person;
  const { origin } = new URL(address);
  const cookies = new Map<string, string>();
  let next: { readonly url: URL; readonly form?: Record<string, string> } = { url: new URL(address) };
  for (let page = 0; page < PAGES_MAX; page++) {
    const response = await fetch(next.url, {
      redirect: "manual",
      headers: { cookie: [...cookies].map((pair) => pair.join("=")).join("; ") },
      ...(next.form === undefined ? {} : { method: "POST", body: new URLSearchParams(next.form) }),
    });
    keepCookies(response, cookies);
    const location = response.headers.get("location");
    if (location !== null) {
      await response.body?.cancel();
      const url = new URL(location, next.url);
      if (url.origin !== origin) return url;
      next = { url };
      continue;
    }
    const text = await response.text();
    if (!response.ok || !text.includes("<form")) throw new Error(`${response.status}: ${text}`);
    const isLogin = text.includes('name="login"');
    next = {
      url: next.url,
      form: isLogin ? { login: account, decision: "go" } : { decision: consent ? "go" : "cancel" },
    };
  }
  throw new Error(`no end after ${PAGES_MAX} pages, last ${next.url.pathname}`);
}

function keepCookies(response: Response, cookies: Map<string, string>): void {
  for (const line of response.headers.getSetCookie()) {
    const [pair = ""] = line.split(";");
    const [name = "", value = ""] = pair.split("=", 2);
    if (value === "") cookies.delete(name);
    else cookies.set(name, value);
  }
}
