/** A content type without its parameters, in lower case, and its charset: `Application/JSON; charset="UTF-8"` gives both. */
export function parseMediaType(contentType: string): {
  readonly type: string;
  readonly charset: string | undefined;
} {
  const [type = "", ...parameters] = contentType.split(";");
  const charset = parameters
    .map((parameter) => parameter.split("="))
    .find(([name = ""]) => name.trim().toLowerCase() === "charset")?.[1];
  return { type: type.trim().toLowerCase(), charset: charset?.trim().replace(/^"(.*)"$/, "$1") };
}
