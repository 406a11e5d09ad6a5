import { chromium, type Locator } from "playwright-core";
import { temporaryFolder } from "./temp.js";

/** What can be said about a browser. */
export interface TestBrowserOptions {
  /** Nothing but these can be reached, as by a browser on another machine. Default: everything can. */
  readonly reachableOrigins?: readonly string[];
}

/** A browser with one window, as a person has it, on a profile of its own. */
export interface TestBrowser extends AsyncDisposable {
  /** Opens an address in a new tab. */
  open(address: string): Promise<BrowserPage>;
}

/** A tab, as far as our tests use it. */
export interface BrowserPage {
  /** Types into the field with this label. */
  fill(label: string, text: string): Promise<void>;
  /** Clicks the button with this text. */
  click(button: string): Promise<void>;
  /** Waits for a heading with these words. */
  heading(words: RegExp): Promise<string>;
  /** What a person reads on it. */
  text(): Promise<string>;
  /** What its address line shows, also while a page is awaited and when none can be had. */
  address(): string;
  /** Opens an address in the same tab. */
  goTo(address: string): Promise<void>;
  /** Loads it again. */
  reload(): Promise<void>;
  /** Complaints of the browser since it was opened, such as resources that its policy refused. */
  readonly complaints: readonly string[];
  /** Paints it into a PNG file. */
  screenshot(path: string): Promise<void>;
}

/** Debian's, as `services.ts` looks for it. */
const CHROMIUM = "/usr/bin/chromium";

/** Nobody listens on port 9, that of the discard protocol. */
const NO_PROXY = "http://127.0.0.1:9";

/** How long a page may take, in milliseconds: on a busy machine the first one takes seconds. */
const PAGE_MS = 30_000;

/** Nothing that calls home, and nothing that asks on the first start. */
const PARAMETERS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

/** Starts Debian's chromium, headless; guard tests by `isMissing("chromium")`. Without its sandbox for root alone, because it has none for root. */
export async function startBrowser(options: TestBrowserOptions = {}): Promise<TestBrowser> {
  const { reachableOrigins } = options;
  const profile = temporaryFolder();
  const browser = await chromium.launchPersistentContext(profile.path, {
    executablePath: CHROMIUM,
    headless: true,
    timeout: PAGE_MS,
    chromiumSandbox: process.getuid?.() !== 0,
    args: PARAMETERS,
    // All else goes to a proxy that is not there.
    ...(reachableOrigins === undefined
      ? {}
      : { proxy: { server: NO_PROXY, bypass: hostsOf(reachableOrigins) } }),
  });
  browser.setDefaultTimeout(PAGE_MS);
  return {
    open: async (address) => {
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      let line = address;
      page.on("request", (request) => {
        if (request.isNavigationRequest() && request.frame() === page.mainFrame()) line = request.url();
      });
      await page.goto(address);
      return {
        fill: (label, text) => page.getByLabel(label).fill(text),
        click: (button) => page.getByRole("button", { name: button, exact: true }).click(),
        heading: (words) => textOf(page.getByRole("heading", { name: words })),
        text: () => textOf(page.locator("body")),
        address: () => line,
        goTo: async (next) => void (await page.goto(next)),
        reload: async () => void (await page.reload()),
        complaints,
        screenshot: async (path) => void (await page.screenshot({ path })),
      };
    },
    [Symbol.asyncDispose]: async () => {
      await browser.close();
      profile[Symbol.dispose]();
    },
  };
}

function hostsOf(origins: readonly string[]): string {
  // Loopback does go to the proxy, but for these: later rules count more.
  return ["<-loopback>", ...origins.map((origin) => new URL(origin).host)].join(",");
}

async function textOf(locator: Locator): Promise<string> {
  return (await locator.textContent()) ?? "";
}
