import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { failurePage, foreignPage, PAGE_HEADERS, successPage, usedPage } from "../../src/sign-in/pages.js";

const PAGES = [
  successPage("a@example.com"),
  successPage(undefined),
  failurePage("no"),
  foreignPage(),
  usedPage(),
];

describe("pages", () => {
  test("pages run nothing and fetch nothing", () => {
    for (const { body } of PAGES) {
      expect(body).not.toMatch(/<script|\son\w+=|javascript:|https?:|url\(|@import/i);
      expect(body.match(/(?:src|href)="([^"]*)"/g)).toEqual(['href="data:,"']);
    }
  });

  test("pages have the one style that their policy allows", () => {
    for (const { body } of PAGES) {
      const style = /<style>([\s\S]*)<\/style>/.exec(body)?.[1] ?? "";
      const digest = createHash("sha256").update(style).digest("base64");
      expect(PAGE_HEADERS["content-security-policy"]).toContain(`style-src 'sha256-${digest}'`);
    }
  });

  test("pages show text as text", () => {
    const hostile = `</p><img src=x onerror='alert("&")'>`;
    const escaped = "&lt;/p&gt;&lt;img src=x onerror=&#39;alert(&quot;&amp;&quot;)&#39;&gt;";
    expect(successPage(hostile).body).toContain(`The sign-in of ${escaped} was saved.`);
    expect(failurePage(hostile).body).toContain(`<p>${escaped}.</p>`);
  });
});
