import type { IncomingMessage, ServerResponse } from "node:http";
import type { Interaction, Provider } from "oidc-provider";

/** Where the pages are. */
export const INTERACTION_PATH = "/interaction/";

/** The pages on which a person says who they are and what they allow. Any address is an account, any password is right. */
export async function answerInteraction(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const interaction = await provider.interactionDetails(request, response);
  if (request.method !== "POST") {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
    response.end(interaction.prompt.name === "login" ? loginPage() : consentPage(interaction));
    return;
  }
  const form = await formOf(request);
  const isLogin = interaction.prompt.name === "login";
  await provider.interactionFinished(
    request,
    response,
    form.get("decision") === "cancel"
      ? { error: "access_denied", error_description: "The person <b>said no</b>" }
      : isLogin
        ? { login: { accountId: form.get("login") } }
        : { consent: { grantId: await allow(provider, interaction) } },
    { mergeWithLastSubmission: !isLogin },
  );
}

/** Allows all that was asked for; resolves with the grant's id. */
async function allow(provider: Provider, interaction: Interaction): Promise<string> {
  const { prompt, params, session, grantId } = interaction;
  const known = grantId === undefined ? undefined : await provider.Grant.find(grantId);
  const grant =
    known ?? new provider.Grant({ accountId: session?.accountId ?? "", clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes = {} } = prompt.details;
  if (missingOIDCScope !== undefined) grant.addOIDCScope(missingOIDCScope.join(" "));
  if (missingOIDCClaims !== undefined) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes)) {
    grant.addResourceScope(resource, scopes.join(" "));
  }
  return await grant.save();
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
}

function loginPage(): string {
  return page(
    "Sign in",
    `<label>E-mail <input name="login" type="email" required autofocus></label>
     <label>Password <input name="password" type="password"></label>
     <button name="decision" value="go">Sign in</button>
     <button name="decision" value="cancel" formnovalidate>Cancel</button>`,
  );
}

function consentPage({ params }: Interaction): string {
  const scopes = (params.scope ?? "").split(" ").map((scope) => `<li>${escaped(scope)}</li>`);
  return page(
    "Allow access?",
    `<p>${escaped(params.client_id)} wants to:</p><ul>${scopes.join("")}</ul>
     <button name="decision" value="go" autofocus>Allow</button>
     <button name="decision" value="cancel">Cancel</button>`,
  );
}

function page(title: string, form: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,">
<style>body{font:16px sans-serif;margin:4em auto;max-width:26em}label{display:block;margin:1em 0}</style>
<h1>${title}</h1><form method="post">${form}</form></html>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
