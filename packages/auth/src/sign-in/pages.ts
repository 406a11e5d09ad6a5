import { createHash } from "node:crypto";

/** What a browser is shown: HTML without scripts, and nothing that would have to be fetched. */
export interface Page {
  readonly status: number;
  readonly body: string;
}

const STYLE = `
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText;
  font: 17px/1.5 system-ui, sans-serif; }
main { max-width: 32rem; margin: 1.5rem; padding: 2rem 2.25rem; border: 1px solid #8885; border-radius: 12px;
  border-top: 6px solid #b3261e; overflow-wrap: anywhere; }
main.good { border-top-color: #1e7d34; }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; }
p { margin: .5rem 0 0; }
footer { margin-top: 1.5rem; font-size: .85rem; opacity: .7; }
`;

/** Sent with every page: nothing is kept, framed, fetched or passed on, the address with its code least of all. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "content-security-policy": [
    "default-src 'none'",
    `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
});

/** The sign-in worked, and its file is written. */
export function successPage(account: string | undefined): Page {
  return page(200, "You are signed in", [
    account === undefined ? "The sign-in was saved." : `The sign-in of ${account} was saved.`,
    "You can close this window and go back to the terminal.",
  ]);
}

/** It did not; `reason` is shown as a sentence. */
export function failurePage(reason: string): Page {
  return page(400, "The sign-in failed", [
    sentence(reason),
    "You can close this window; the terminal says the same.",
  ]);
}

/** The redirect came once more, while the first one is worked on or after. */
export function usedPage(): Page {
  return page(410, "This address was used already", [
    "A sign-in ends with the first use of its address; opening it again changes nothing.",
    "You can close this window. Whether the sign-in worked stands in the terminal and in the window that was first.",
  ]);
}

/** The redirect of another sign-in, or of somebody who wishes it were. */
export function foreignPage(): Page {
  return page(400, "This is not the answer to the sign-in that is under way", [
    "It belongs to an earlier sign-in, or did not come from the provider. Nothing was changed, and the sign-in under way goes on.",
    "Open the address that the terminal shows.",
  ]);
}

function page(status: number, title: string, paragraphs: readonly string[]): Page {
  const text = paragraphs.map((paragraph) => `<p>${escaped(paragraph)}</p>`).join("\n");
  return {
    status,
    // The empty icon keeps browsers from asking for one when the server may be gone.
    body: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)} – pullqueue</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main${status === 200 ? ' class="good"' : ""}>
<h1>${escaped(title)}</h1>
${text}
<footer>pullqueue</footer>
</main>
</body>
</html>
`,
  };
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => names[character] ?? "");
}
