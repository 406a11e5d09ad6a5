import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { startBrowser } from "../src/browser.js";
import { isMissing } from "../src/services.js";

const PAGE = `<!doctype html><title>t</title><h1>Hello, person</h1><form action="/next"><label>Name <input name="name"></label>
<button>Go</button></form><p id="where"></p><script>console.error("from the page"); where.textContent = location.search</script>`;

/** A browser's start and its pages, on a busy machine, in milliseconds. */
const TEST_MS = 60_000;

async function startPage(): Promise<string> {
  const server = createServer(({ url = "" }, response) => {
    const to = url.split("?to=")[1];
    if (to === undefined) response.setHeader("content-type", "text/html").end(PAGE);
    else response.writeHead(302, { location: to }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

describe.skipIf(isMissing("chromium"))("startBrowser()", { timeout: TEST_MS }, () => {
  test("startBrowser() is a real browser: forms, scripts, complaints, and what a person sees", async () => {
    const address = await startPage();
    await using browser = await startBrowser();
    const page = await browser.open(address);
    expect(await page.heading(/hello/i)).toBe("Hello, person");
    await page.fill("Name", "me");
    await page.click("Go");
    await expect.poll(() => page.address(), { timeout: TEST_MS }).toBe(`${address}next?name=me`);
    await expect.poll(() => page.text(), { timeout: TEST_MS }).toContain("?name=me");
    expect(page.complaints).toContain("from the page");
    await page.goTo(address);
    await page.reload();
    expect(page.address()).toBe(address);
  });

  test("startBrowser() with reachable origins finds nothing elsewhere, and its address line shows where it wanted to go", async () => {
    const [here, elsewhere] = await Promise.all([startPage(), startPage()]);
    await using browser = await startBrowser({ reachableOrigins: [new URL(here).origin] });
    const page = await browser.open(here);
    await expect(page.goTo(elsewhere)).rejects.toThrow("ERR_PROXY_CONNECTION_FAILED");
    expect(page.address()).toBe(elsewhere);
    await expect(page.goTo(`${here}leads?to=${elsewhere}`)).rejects.toThrow("ERR_PROXY_CONNECTION_FAILED");
  });
});
