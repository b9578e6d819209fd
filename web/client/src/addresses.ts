import { SamaraError } from "./error.ts";

/** The WebSocket URL of a relay or peer, from any way to write it. */
export function socketUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text.trim(), globalThis.location?.href);
  } catch {
    throw wrong(text);
  }
  const scheme = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" }[url.protocol];
  if (scheme === undefined || url.username !== "" || url.password !== "") {
    throw wrong(text);
  }
  // What follows a # may be a link, which is none of a relay's business.
  const folder = url.pathname.replace(/\/+$/, "").replace(/\/ws$/, "");
  return `${scheme}//${url.host}${folder}/ws`;
}

function wrong(text: string): SamaraError {
  const shown = text.split("#")[0];
  return new SamaraError(
    "bad-address",
    `"${shown}" is no address of a relay; write it like https://relay.example`,
  );
}
